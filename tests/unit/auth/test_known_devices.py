"""Known devices: for whom they are known, and what their cookie says."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client

from sessionkeeper.auth import attempts
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


def is_refused(response):
    """Whether a try was refused unlooked at."""
    return response.status_code == 429 and int(response["Retry-After"]) > 0


def lock(name, number=TRIES, address="203.0.113.9"):
    """Fail so often."""
    for _ in range(number):
        assert api(browser(address), name, "wrong").status_code == 401


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
    here.cookies["sessionid-device"] = change(here.cookies["sessionid-device"].value)
    lock(user.get_username())
    assert is_refused(api(here, user.get_username(), PASSWORD))


def test_the_cookie_of_a_device_is_httponly_and_names_nobody(make_user):
    user, here = make_user(), browser()
    response = api(here, user.get_username(), PASSWORD)
    cookie = response.cookies["sessionid-device"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    body = base64.urlsafe_b64decode(cookie.value.partition(":")[0] + "==")
    assert user.get_username().encode() not in body
    assert here.session.session_key not in cookie.value
