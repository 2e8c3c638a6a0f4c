"""Counts of failed sign-ins in Django's admin."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper.auth import attempts
from sessionkeeper.models import AuditEvent, LoginAttempt
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import Clock, api, browser, lock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    made = Clock()
    monkeypatch.setattr(attempts, "now", made)
    return made


def test_the_admin_unlocks_what_is_selected(make_user):
    name = make_user().get_username()
    lock(name)
    staff = Client()
    staff.force_login(make_user(is_staff=True, is_superuser=True))
    base = "/admin/sessionkeeper/loginattempt/"
    listed = staff.get(base, {"q": name})
    assert name in listed.text
    row = LoginAttempt.objects.get(kind="account")
    done = staff.post(base, {"action": "unlock", "_selected_action": [row.pk]}, follow=True)
    assert "1 count was reset." in done.text
    assert api(browser(), name, PASSWORD).status_code == 200
    assert AuditEvent.objects.get(kind="unlocked").actor_id is not None
