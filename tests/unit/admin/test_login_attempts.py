"""Counts of failed sign-ins in Django's admin."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client

from sessionkeeper.auth import attempts
from sessionkeeper.models import AuditEvent, LoginAttempt
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]

TRIES = 5


class Clock:
    """The clock of the counts, set by hand."""

    def __init__(self):
        self.moment = 1_800_000_000_000

    def __call__(self):
        return self.moment

    def move(self, **duration):
        """Let time pass."""
        self.moment += int(timedelta(**duration).total_seconds() * 1000)


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    made = Clock()
    monkeypatch.setattr(attempts, "now", made)
    return made


def browser(address="192.0.2.1"):
    """A browser somewhere."""
    return Client(REMOTE_ADDR=address, headers={"sec-fetch-site": "same-origin"})


def api(client, name, password):
    """Sign in by the API."""
    body = json.dumps({"username": name, "password": password})
    return client.post("/auth/login/", body, content_type="application/json")


def lock(name, number=TRIES, address="203.0.113.9"):
    """Fail so often."""
    for _ in range(number):
        assert api(browser(address), name, "wrong").status_code == 401


def test_the_admin_lifts_what_is_selected(make_user):
    name = make_user().get_username()
    lock(name)
    staff = Client()
    staff.force_login(make_user(is_staff=True, is_superuser=True))
    base = "/admin/sessionkeeper/loginattempt/"
    listed = staff.get(base, {"q": name})
    assert name in listed.text
    row = LoginAttempt.objects.get(kind="account")
    done = staff.post(base, {"action": "lift", "_selected_action": [row.pk]}, follow=True)
    assert "1 count was reset." in done.text
    assert api(browser(), name, PASSWORD).status_code == 200
    assert AuditEvent.objects.get(kind="unlocked").actor_id is not None
