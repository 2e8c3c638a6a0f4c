"""The session that a request holds: inserted, merged and rotated, and what others do to it meanwhile."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError

from sessionkeeper.core import keys
from sessionkeeper.core.errors import SessionGone, StaleSession
from sessionkeeper.core.records import KeyStatus
from sessionkeeper.engine.session_store import SessionStore
from tests import contents
from tests.unit.saved import queries, row, saved

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_must_create_refuses_a_session_that_exists(do):
    session = saved(a=1)
    do(session, "get", "a")
    with pytest.raises(CreateError):
        do(session, "save", must_create=True)


def test_create_stores_a_new_session_under_a_new_key(do):
    session = SessionStore()
    do(session, "create")
    first = session.session_key
    do(session, "create")
    assert session.session_key != first
    assert session.modified
    assert contents.count() == 2


def test_an_id_that_is_taken_is_minted_again(monkeypatch):
    taken = keys.parse(saved(a=1).session_key)
    minted = [keys.Key(taken.id, keys.mint().secret), keys.mint()]
    monkeypatch.setattr(keys, "mint", lambda: minted.pop(0))
    session = SessionStore()
    session["b"] = 2
    session.save()
    assert minted == []
    assert row(session).data == {"b": 2}
    assert SessionStore(taken.text)["a"] == 1


@pytest.mark.rule("R09")
def test_a_save_of_a_session_that_ended_is_refused_and_creates_nothing(do):
    session = saved(a=1)
    do(session, "set", "b", 1)
    SessionStore(session.session_key).delete()
    with pytest.raises(SessionGone) as caught:
        do(session, "save")
    assert isinstance(caught.value, UpdateError)
    assert contents.count() == 0


@pytest.mark.rule("R09")
def test_a_save_of_a_session_that_was_rotated_is_refused_and_changes_nothing(do):
    session = saved(a=1)
    do(session, "set", "b", 1)
    SessionStore(session.session_key).cycle_key()
    with pytest.raises(StaleSession) as caught:
        do(session, "save")
    assert isinstance(caught.value, UpdateError)
    assert contents.data() == {"a": 1}


@pytest.mark.database_store_only("counts statements")
def test_cycle_key_is_one_statement_and_keeps_the_row(do):
    session = saved(a=1)
    before, old = row(session), session.session_key
    do(session, "get", "a")
    with queries() as asked:
        do(session, "cycle_key")
    assert len(asked) == 1
    after = row(session)
    assert (after.pk, after.data, after.created_at) == (before.pk, before.data, before.created_at)
    assert bytes(after.secret_hash) != bytes(before.secret_hash)
    assert bytes(after.family_hash) != bytes(before.family_hash)
    assert SessionStore(old).get("a") is None
    assert SessionStore(session.session_key).get("a") == 1
    assert contents.count() == 1


def test_changes_around_a_rotation_are_saved(do):
    session = saved(a=1)
    do(session, "set", "b", 1)
    do(session, "cycle_key")
    do(session, "set", "c", 1)
    do(session, "save")
    assert row(session).data == {"a": 1, "b": 1, "c": 1}


def test_what_others_wrote_before_a_rotation_is_kept(do):
    session = saved(a=1)
    other = SessionStore(session.session_key)
    do(session, "get", "a")
    do(other, "set", "theirs", 1)
    do(other, "save")
    do(session, "cycle_key")
    do(session, "set", "mine", 1)
    do(session, "save")
    assert row(session).data == {"a": 1, "theirs": 1, "mine": 1}


def test_a_rotation_of_a_session_that_ended_carries_no_signed_in_state(do, make_user):
    session = saved(_auth_user_id=str(make_user().pk), a=1)
    do(session, "get", "a")
    SessionStore(session.session_key).delete()
    do(session, "cycle_key")
    do(session, "set", "b", 1)
    do(session, "save")
    assert row(session).data == {"b": 1}


def test_a_use_that_is_confirmed_after_the_near_cache_answered_keeps_the_data():
    session = saved(a=1)
    other = SessionStore(session.session_key)
    other.get("a")
    found = other._active.found
    remembered = found._replace(record=found.record._replace(data="{}"), read_at=found.now)
    other._active.attach(KeyStatus.LIVE, remembered)
    assert other._active.confirm()
    assert contents.data() == {"a": 1}
