"""The judge of the soak sees what is wrong, and excuses what a fault explains."""

from __future__ import annotations

import pytest

from benchmarks.soak.model import Key, Model, Session
from benchmarks.soak.report import HEALED, Report


@pytest.fixture
def report():
    """A report with one fault, from second 10 to 12."""
    made = Report()
    made.begin("pauses of the store", 10)[1] = 12.0
    return made


@pytest.mark.parametrize(
    ("began", "ended", "excused"),
    [(1, 2, False), (9, 10.5, True), (11, 11.5, True), (12 + HEALED, 30, True), (12.1 + HEALED, 30, False)],
)
@pytest.mark.parametrize("status", [503, 0])
def test_a_refusal_is_excused_by_a_fault_and_for_five_seconds_after(report, began, ended, excused, status):
    report.request("read", status, began, ended)
    assert report.is_good is excused
    assert report.refused == excused


def test_a_server_error_is_never_excused(report):
    report.request("read", 500, 10.5, 11)
    assert not report.is_good
    assert report.details() == ["error: read: 500"]


def test_a_soak_in_which_nothing_happened_is_not_good(report):
    assert not report.is_good
    assert not Report(requests=5).is_good


def test_a_value_that_was_acknowledged_must_be_there():
    model, session = Model("alice"), Session(Key("k"))
    model.begin_write(session, "v", 1)
    assert model.lost(session, {}, model.snapshot(session)) == []
    model.finish_write(session, "v", 1)
    before = model.snapshot(session)
    assert model.lost(session, {"v": 1}, before) == []
    assert model.lost(session, {}, before) == ["v: None instead of {1}"]
    for value in (2, 3):  # after the read began: it may see any of them
        model.begin_write(session, "v", value)
        model.finish_write(session, "v", value)
    assert [model.lost(session, {"v": value}, before) for value in (1, 2, 3)] == [[], [], []]
    assert model.lost(session, {"v": 4}, before) != []
    assert model.lost(session, {"v": 2}, model.snapshot(session)) == ["v: 2 instead of {3}"]


def test_a_key_is_dead_from_when_its_end_was_acknowledged():
    model, session = Model("alice"), Session(Key("k"))
    model.sessions.append(session)
    keys = model.begin_end([session], 5.0)
    assert (model.sessions, session.key.ending, session.key.dead) == ([], 5.0, None)
    model.finish_end(keys, 6.0)
    assert (model.dead, session.key.dead) == ([session.key], 6.0)
