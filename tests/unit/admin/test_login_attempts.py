"""Counts of failed sign-ins in Django's admin."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper.models import AuditEvent, LoginAttempt
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import api, browser, lock, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


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


def test_the_admin_unlocks_a_name_that_nobody_has(make_user):
    lock("nobody")
    staff = Client()
    staff.force_login(make_user(is_staff=True, is_superuser=True))
    keys = list(LoginAttempt.objects.exclude(kind="source").values_list("pk", flat=True))
    form = {"action": "unlock", "_selected_action": keys}
    done = staff.post("/admin/sessionkeeper/loginattempt/", form, follow=True)
    assert "2 counts were reset." in done.text
    assert api(browser(), "nobody", "wrong").status_code == 401


def test_no_count_can_be_edited(make_user):
    lock(make_user().get_username())
    row = LoginAttempt.objects.get(kind="account")
    staff = Client()
    staff.force_login(make_user(is_staff=True, is_superuser=True))
    page = f"/admin/sessionkeeper/loginattempt/{row.pk}/change/"
    shown = staff.get(page)
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.text
    assert 'name="failures"' not in shown.text
    assert staff.post(page, {"failures": 0, "until": 0, "kind": "account", "at": 0}).status_code == 403
    assert LoginAttempt.objects.get(pk=row.pk).failures == row.failures


def test_who_may_only_look_at_counts_has_no_action(make_user):
    from django.contrib.auth.models import Permission

    lock("somebody")
    user = make_user(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_loginattempt"))
    staff = Client()
    staff.force_login(user)
    listed = staff.get("/admin/sessionkeeper/loginattempt/")
    assert listed.status_code == 200
    assert 'value="unlock"' not in listed.text
