"""One spelling for all names that a backend may take for the same account."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.auth import attempts, identifiers

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


def by_view(client, name, password):
    """Sign in at a view of the project's own."""
    return client.post("/view/", {"username": name, "password": password})


def is_refused(response):
    """Whether a try was refused unlooked at."""
    return response.status_code == 429 and int(response["Retry-After"]) > 0


def lock(name, number=TRIES, address="203.0.113.9"):
    """Fail so often."""
    for _ in range(number):
        assert api(browser(address), name, "wrong").status_code == 401


@pytest.mark.parametrize(
    "spelling", [str.upper, str.title, lambda name: f" {name}", lambda name: f"{name}\u200b"]
)
@pytest.mark.rule("R36")
def test_another_spelling_of_the_name_is_the_same_account(make_user, spelling):
    name = make_user().get_username()
    lock(name)
    assert is_refused(by_view(browser(), spelling(name), "wrong"))


@given(st.text())
def test_a_spelling_is_normal_at_once(name):
    once = identifiers.normal(name)
    assert identifiers.normal(once) == once
    assert (
        identifiers.normal(name.upper()) == identifiers.normal(name.lower())
        or len(name) > 100
        or not name.isascii()
    )


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("\ufb01ne", "fine"),  # a ligature
        ("\uff21lice", "alice"),  # full width
        ("\u0130stanbul", "istanbul"),  # a dotted capital I
        ("stra\u00dfe", "STRASSE"),
        ("Jose\u0301", "jos\u00e9"),  # an accent of its own
        ("\u212aate", "kate"),  # the sign for kelvin
    ],
)
@pytest.mark.rule("R36")
def test_lookalikes_that_a_database_may_take_for_the_same_are_one(one, two):
    assert identifiers.normal(one) == identifiers.normal(two)
