"""Sessions listed and ended by code that is in no request of theirs."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper.core.records import Purged
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_a_session_is_ended_by_its_public_id():
    session = SessionStore()
    session["a"] = 1
    session.save()
    assert registry.revoke(session.session_id)
    assert not registry.revoke(session.session_id)
    assert not registry.revoke("no id")


def sessions_of(user, number):
    for _ in range(number):
        Client().force_login(user)
    return [record.id for record in registry.list_for(user)]


def test_a_list_has_the_newest_first_and_nobody_elses(make_user):
    user, other = make_user(), make_user()
    ids = sessions_of(user, 3)
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert len(sessions_of(other, 1)) == 1


def test_a_list_in_pages_begins_with_this_session_and_shows_each_once(make_user):
    user = make_user()
    ids = sessions_of(user, 5)
    this, shown = ids[-1], []
    page, rest = registry.page_for(user, this, limit=2)
    while True:
        shown += [record.id for record in page]
        if rest is None:
            break
        page, rest = registry.page_for(user, this, limit=2, newest=rest)
    assert shown == [this, *ids[:-1]]


def test_all_sessions_of_a_user_end_but_the_one_that_is_spared(make_user):
    user, other = make_user(), make_user()
    spared, *_ = sessions_of(user, 3)
    sessions_of(other, 1)
    assert registry.revoke_all(user, except_=spared) == 2
    assert [record.id for record in registry.list_for(user)] == [spared]
    assert len(registry.list_for(other)) == 1


def test_a_walk_over_everybody_ends_them_batch_by_batch(make_user, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 2)
    sessions_of(make_user(), 3)
    assert list(registry.revoke_everyone()) == [2, 1]
    assert list(registry.scan()) == []


class Table:
    """A store of many expired sessions, of which each takes a while to remove."""

    def __init__(self, seconds, monkeypatch):
        self.seconds, self.now, self.steps, self.rests = seconds, 0.0, [], []
        monkeypatch.setattr(registry, "get_store", lambda: self)
        monkeypatch.setattr(registry.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(registry.context, "sleep", self.rests.append)

    def purge(self, limit, after):
        self.now += limit * self.seconds
        self.steps.append(limit)
        return Purged(limit, 0, after + limit if after + limit < 100_000 else None)


def test_a_purge_takes_larger_steps_where_they_are_quick_up_to_a_bound(monkeypatch):
    table = Table(0.000_001, monkeypatch)
    assert sum(registry.purge()) >= 100_000
    assert table.steps[:6] == [500, 1000, 2000, 4000, 8000, 10_000]
    assert max(table.steps) == 10_000
    table.steps.clear()
    list(registry.purge(batch=700))
    assert set(table.steps) == {500, 700}


def test_no_step_of_a_purge_takes_much_longer_than_a_twentieth_of_a_second_and_all_leave_pauses(monkeypatch):
    table = Table(0.000_02, monkeypatch)
    list(registry.purge())
    assert max(table.steps) * table.seconds <= 0.05
    assert len(table.rests) == len(table.steps) - 1
    assert min(table.rests) > 0
