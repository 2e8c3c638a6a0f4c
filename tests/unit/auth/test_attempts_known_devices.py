"""Known devices: for whom they are known, and what their cookie says."""

from __future__ import annotations

import base64

import pytest

from tests.conftest import PASSWORD
from tests.unit.auth.guessing import api, browser, is_refused, lock, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


def test_a_device_is_known_to_its_own_accounts_only(make_user):
    victim, attacker, there = make_user(), make_user(), browser()
    api(there, attacker.get_username(), PASSWORD)
    lock(victim.get_username())
    assert is_refused(api(there, victim.get_username(), PASSWORD))


@pytest.mark.parametrize(
    "change", [lambda text: text + "x", lambda text: "x" + text, lambda text: "é", lambda _: "a:b:c"]
)
def test_a_made_up_device_is_not_known(make_user, change):
    user, here = make_user(), browser()
    api(here, user.get_username(), PASSWORD)
    here.post("/auth/logout/")
    here.cookies["sessionid-device-key"] = change(here.cookies["sessionid-device-key"].value)
    lock(user.get_username())
    assert is_refused(api(here, user.get_username(), PASSWORD))


def test_the_cookie_of_a_device_is_httponly_and_names_nobody(make_user):
    user, here = make_user(), browser()
    response = api(here, user.get_username(), PASSWORD)
    cookie = response.cookies["sessionid-device-key"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    body = base64.urlsafe_b64decode(cookie.value.partition(":")[0] + "==")
    assert user.get_username().encode() not in body
    assert here.session.session_key not in cookie.value
