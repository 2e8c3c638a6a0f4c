"""One spelling for all names that a backend may take for the same account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.engine import users
from tests.unit.auth.guessing import browser, by_view, is_refused, lock, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


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
    once = users.normal(name)
    assert users.normal(once) == once
    assert users.normal(name.upper()) == users.normal(name.lower()) or len(name) > 100 or not name.isascii()


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
    assert users.normal(one) == users.normal(two)
