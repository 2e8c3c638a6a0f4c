"""One base for all errors, and what they say beside their name."""

from __future__ import annotations

import pytest

from sessionkeeper.core import errors

ALL = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_whoever_wants_all_of_ours_names_one(kind):
    assert issubclass(kind, errors.SessionKeeperError)


@pytest.mark.parametrize("kind", [errors.StoreUnreachable, errors.StoreBusy, errors.StoreOfAnotherSite])
def test_each_kind_of_outage_is_an_outage_that_says_when_to_come_again(kind):
    assert issubclass(kind, errors.StoreUnavailable)
    assert kind().retry_after > 0


def test_too_many_tries_say_how_long_to_wait():
    error = errors.TooManyTries(40)
    assert error.retry_after == 40
    assert "40 s" in str(error)


def test_a_refused_password_says_why():
    error = errors.RefusedPassword(["Too short.", "Too common."])
    assert error.messages == ["Too short.", "Too common."]
    assert "Too short." in str(error)


def test_who_has_a_second_factor_is_told_to_code_and_not_to_logs():
    error = errors.SecondFactorRequired("alice")
    assert error.user == "alice"
    assert "alice" not in str(error)
