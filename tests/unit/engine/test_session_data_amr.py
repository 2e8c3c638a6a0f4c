"""How a user proved who they are, and when: each method with its own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessionkeeper.engine import session_data

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_what_was_proved_before_a_step_up_keeps_its_time():
    data = {}
    session_data.carry_proofs({"pwd": NOW - timedelta(hours=2)}, data)
    assert session_data.earlier_proofs(data, NOW) == {"pwd": NOW - timedelta(hours=2)}


def test_only_the_latest_are_kept():
    data = {}
    session_data.carry_proofs({f"m{number}": NOW + timedelta(seconds=number) for number in range(20)}, data)
    assert sorted(session_data.earlier_proofs(data, NOW + timedelta(hours=1))) == sorted(
        f"m{n}" for n in range(12, 20)
    )


def test_who_signs_in_proves_anew():
    data = {"a": 1}
    session_data.carry_proofs({"pwd": NOW}, data)
    session_data.forget_proofs(data)
    assert data == {"a": 1}
    assert session_data.earlier_proofs(data, NOW) == {}


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
    assert session_data.earlier_proofs({session_data.EARLIER: stored}, NOW) == {}


def test_a_note_stays_with_its_object():
    class User:
        pass

    one, other = User(), User()
    session_data.note_amr(one, "pwd otp")
    assert (session_data.noted_amr(one), session_data.noted_amr(other)) == ("pwd otp", "")
