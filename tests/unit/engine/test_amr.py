"""How a user proved who they are, and when: each method with its own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessionkeeper.engine import amr

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_what_was_proved_before_a_step_up_keeps_its_time():
    data = {}
    amr.carry({"pwd": NOW - timedelta(hours=2)}, data)
    assert amr.earlier(data, NOW) == {"pwd": NOW - timedelta(hours=2)}


def test_only_the_latest_are_kept():
    data = {}
    amr.carry({f"m{number}": NOW + timedelta(seconds=number) for number in range(20)}, data)
    assert sorted(amr.earlier(data, NOW + timedelta(hours=1))) == sorted(f"m{n}" for n in range(12, 20))


def test_who_signs_in_proves_anew():
    data = {"a": 1}
    amr.carry({"pwd": NOW}, data)
    amr.begin_anew(data)
    assert data == {"a": 1}
    assert amr.earlier(data, NOW) == {}


@pytest.mark.parametrize(
    "stored",
    [
        "text",
        {"pwd": "yesterday"},
        {"pwd": 5},
        {"pwd": "2026-06-01T11:00:00"},
        {"pwd": (NOW + timedelta(seconds=1)).isoformat()},
        {"p" * 21: NOW.isoformat()},
    ],
)
def test_what_cannot_be_read_or_is_of_later_counts_for_nothing(stored):
    assert amr.earlier({amr.EARLIER: stored}, NOW) == {}


def test_a_note_stays_with_its_object():
    class User:
        pass

    one, other = User(), User()
    amr.note(one, "pwd otp")
    assert (amr.noted(one), amr.noted(other)) == ("pwd otp", "")
