"""The rows that count failed sign-ins, and what parallel tries make of them."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from sessionkeeper.auth import attempts
from sessionkeeper.models import LoginAttempt
from tests.unit.auth.guessing import stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


@pytest.fixture(params=["at once", "in turn"])
def counted(request, monkeypatch):
    """Counts as this database does, and as one without INSERT … RETURNING."""
    if request.param == "in turn":
        monkeypatch.setattr(attempts, "_returns_what_it_counts", lambda: False)
    return lambda *args, **options: not attempts.consume(*args, **options).wait


PAIR = [("b" * 64, attempts.SOURCE), ("a" * 64, attempts.ACCOUNT)]


def test_rows_are_made_as_they_are_counted(counted, clock):
    assert counted(PAIR, "192.0.2.0/24", clock())
    assert counted(PAIR, "192.0.2.0/24", clock())
    assert list(LoginAttempt.objects.order_by("pk").values_list("kind", "failures", "source")) == [
        ("account", 2, ""),
        ("source", 2, "192.0.2.0/24"),
    ]


def test_what_the_rows_had_counted_before_is_told_of_those_too_that_are_spared(counted, clock):
    account, spared = PAIR[1:], "c" * 64
    assert counted([(spared, attempts.ACCOUNT)], "", clock())
    assert counted(account, "", clock())
    found = attempts.consume(account, "", clock(), [spared, "d" * 64])
    assert {key: failures for key, failures in found.before.items() if failures} == {"a" * 64: 1, spared: 1}
    assert LoginAttempt.objects.get(pk=spared).failures == 1


def test_a_refused_attempt_is_told_how_long_to_wait_and_creates_no_row(counted, clock, settings):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": 1}
    assert counted(PAIR[1:], "", clock())
    assert attempts.consume(PAIR, "192.0.2.0/24", clock()).wait == 60
    assert [row.failures for row in LoginAttempt.objects.all()] == [1]


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_a_row_has_its_tries_and_then_waits(counted, clock, settings, tries):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": tries}
    account = PAIR[1:]
    assert [counted(account, "", clock()) for _ in range(tries + 1)] == [True] * tries + [False]
    row = LoginAttempt.objects.get()
    assert (row.failures, row.until) == (tries, clock() + 60_000)
    clock.move(minutes=1)
    assert counted(account, "", clock())
    assert LoginAttempt.objects.get().until == clock() + 120_000


@pytest.mark.parametrize("kind", [attempts.ACCOUNT, attempts.SOURCE])
def test_where_one_row_has_no_try_left_none_is_counted(counted, clock, settings, kind):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": 3, "SOURCE_TRIES": 3}
    spent = [one for one in PAIR if one[1] == kind]
    for _ in range(3):
        assert counted(spent, "", clock())
    assert not counted(PAIR, "", clock())
    other = LoginAttempt.objects.exclude(kind=kind).first()
    assert other is None or (other.failures, other.until <= clock()) == (0, True)


def test_a_change_that_a_deadlock_undid_is_made_again(monkeypatch):
    monkeypatch.setattr(attempts.connections["default"], "in_atomic_block", False)
    deadlock, tried = OperationalError(1213, "Deadlock found"), []

    def change():
        tried.append(1)
        if len(tried) < 3:
            raise deadlock
        return "done"

    assert attempts._again(change) == "done"
    monkeypatch.setattr(attempts.connections["default"], "in_atomic_block", True)
    tried.clear()
    with pytest.raises(OperationalError, match="Deadlock"):
        attempts._again(change)
    assert tried == [1]
