"""Lifetimes: the two limits and the touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.core import records
from sessionkeeper.core.records import SessionRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FAR = datetime(9999, 1, 1, tzinfo=UTC)


def record(last_seen_at=NOW, expires_at=FAR, idle_seconds=None):
    """Return a record with these times; the rest does not matter."""
    rest = dict.fromkeys(SessionRecord._fields)
    return SessionRecord(
        **{**rest, "last_seen_at": last_seen_at, "expires_at": expires_at, "idle_seconds": idle_seconds}
    )


def test_a_session_lives_until_its_absolute_expiry_and_not_at_it():
    assert records.is_live(record(expires_at=NOW + SECOND), NOW)
    assert not records.is_live(record(expires_at=NOW), NOW)
    assert not records.is_live(record(expires_at=NOW - SECOND), NOW)


def test_a_session_lives_until_its_idle_timeout_and_not_at_it():
    session = record(idle_seconds=60)
    assert records.is_live(session, NOW + 59 * SECOND)
    assert not records.is_live(session, NOW + 60 * SECOND)


def test_without_idle_timeout_only_the_absolute_expiry_counts():
    assert records.is_live(record(), NOW + timedelta(days=2000))
    assert records.idle_end(NOW, None) is None


@pytest.mark.parametrize("seconds", [0, -1, -(2**31)])
def test_an_idle_timeout_of_nothing_or_less_has_ended(seconds):
    assert not records.is_live(record(idle_seconds=seconds), NOW)


@given(st.integers(-(2**80), 2**80), st.datetimes(timezones=st.just(UTC)))
def test_no_number_of_seconds_breaks_the_arithmetic(seconds, moment):
    session = record(moment, idle_seconds=seconds)
    live = records.is_live(session, moment)
    if records.idle_end(moment, seconds) is not None:
        assert live == (records.end_of(moment, FAR, seconds) > moment)
    records.touch_interval(seconds, None)


def test_an_idle_timeout_beyond_the_calendar_never_ends():
    assert records.is_live(record(idle_seconds=2**62), datetime(9998, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("idle", "configured", "interval"),
    [
        (1200, None, timedelta(seconds=60)),
        (6000, None, timedelta(minutes=5)),
        (14 * 86400, None, timedelta(minutes=5)),
        (None, None, timedelta(minutes=5)),
        (0, None, timedelta(0)),
        (-5, None, timedelta(0)),
        (1200, timedelta(seconds=7), timedelta(seconds=7)),
    ],
)
def test_the_touch_interval_is_a_twentieth_of_the_idle_timeout_at_most_five_minutes(
    idle, configured, interval
):
    assert records.touch_interval(idle, configured) == interval


def test_a_touch_is_due_when_the_interval_is_over():
    session = record(idle_seconds=1200)
    assert not records.touch_due(session, NOW + 59 * SECOND, None)
    assert records.touch_due(session, NOW + 60 * SECOND, None)
    assert records.touch_due(session, NOW + 7 * SECOND, 7 * SECOND)


@pytest.mark.rule("R14")
def test_presets_are_the_times_of_nist_sp_800_63b_4():
    hour, minute, day = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
    assert {
        "aal1": (None, 30 * day),
        "aal2": (hour, day),
        "aal3": (15 * minute, 12 * hour),
    } == records.PRESETS
