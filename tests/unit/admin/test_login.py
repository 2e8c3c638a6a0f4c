"""The form that the admin signs in with, when somebody has to wait."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.admin.forms import AdminAuthenticationForm
from django.test import Client

from sessionkeeper.admin import login
from sessionkeeper.auth import attempts

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


def test_the_admin_says_in_its_form_how_long(make_user):
    user = make_user(is_staff=True)
    lock(user.get_username())
    response = browser().post(
        "/admin/login/", {"username": user.get_username(), "password": "x"}, headers={"accept": "text/html"}
    )
    assert is_refused(response)
    assert "Try again in 1 minute." in response.text
    assert 'name="password"' in response.text
    assert user.get_username() in response.text


def test_an_admin_that_has_a_form_of_its_own_keeps_it(monkeypatch):
    site = SimpleNamespace(login_form=AdminAuthenticationForm)
    monkeypatch.setattr(login, "admin", SimpleNamespace(site=site))
    login.install()
    assert site.login_form is AdminAuthenticationForm
