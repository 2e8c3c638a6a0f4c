"""A lock goes with a new password, or by somebody who operates the site."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.urls import include, path

from sessionkeeper.auth import attempts, unlocking
from sessionkeeper.models import AuditEvent, LoginAttempt
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import TRIES, api, browser, is_refused, lock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [path("auth/", include("sessionkeeper.api.urls"))]


def test_a_new_password_unlocks_the_account(make_user):
    user = make_user()
    lock(user.get_username())
    user.set_password("another pass phrase")
    user.save()
    assert api(browser(), user.get_username(), "another pass phrase").status_code == 200
    assert AuditEvent.objects.get(kind="unlocked").reason == "password"


def test_the_command_unlocks_an_account_or_a_source(make_user, settings, capsys):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": TRIES}
    name = make_user().get_username()
    lock(name, address="192.0.2.9")
    call_command("sessions", "unlock", name.upper())
    assert is_refused(api(browser("192.0.2.1"), name, PASSWORD))
    call_command("sessions", "unlock", "--source", "192.0.2.77")
    assert api(browser("192.0.2.1"), name, PASSWORD).status_code == 200
    call_command("sessions", "unlock", name)
    assert capsys.readouterr().out.splitlines()[-1] == "There were no failed sign-ins."


@pytest.mark.parametrize("words", [[], ["name", "--source", "192.0.2.1"], ["--source", "nowhere"]])
def test_the_command_says_what_it_needs(words):
    with pytest.raises(CommandError, match=r"Name what to unlock|not an IP address"):
        call_command("sessions", "unlock", *words)


def test_rows_are_unlocked_with_the_other_rows_of_their_account(make_user):
    user = make_user()
    lock(user.get_username())
    row = LoginAttempt.objects.get(kind=attempts.ACCOUNT, failures__gt=0)
    assert unlocking.unlock_rows([row]) == 1
    assert api(browser(), user.get_username(), PASSWORD).status_code == 200
