"""A statement without the ORM writes what the ORM would, whatever is written."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import DataError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StaleSession
from sessionkeeper.core.records import NewSession, SessionPatch
from sessionkeeper.models import Session
from sessionkeeper.stores.database import shortcut, statements
from sessionkeeper.stores.database.store import DatabaseStore
from tests.conftest import new_user
from tests.stores import Clock, insert, is_postgresql

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]

NAMES = st.sampled_from(
    ["a", "b", "", "a.b", "$", "#-1", "[0]", 'a"b', "a\\b", "größe", "a b", "🐇", "_auth_user_id"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text("aü\"\\'%{}🐇\n", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "idle_seconds": st.none() | st.integers(1, 10**6),
        "ip_address": st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
        "user_agent": st.text("a'%\\", max_size=8),
        "amr": st.just("pwd"),
    },
)
PATCHES = st.builds(
    SessionPatch,
    patch=st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps),
    deleted=st.lists(NAMES, max_size=3, unique=True).map(tuple),
    replace=st.booleans(),
    facts=FACTS,
    lifetime=st.none() | st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
    authenticated=st.booleans(),
    limit=st.none(),
)


def written(patches, *, by_orm):
    """Insert a session, merge these patches, touch it; return the record without what is random."""
    clock = Clock()
    store = DatabaseStore(clock=clock)
    if by_orm:
        shortcut.turn_off(AttributeError("for the ORM"))
    try:
        key = insert(store, data='{"a": 1, "b": {"a": 2}, "größe": 3}', user_agent="it's 100%")
        for patch in patches:
            clock.move(seconds=1)
            record, _ = store.merge(key.id, key.secret_hash, patch, None)
        renewed, rotated = b"r" * 32, b"n" * 32
        for _ in range(2):  # the second time it was made before
            assert store.renew(key.id, key.secret_hash, renewed, b"f" * 32)
        assert not store.renew(key.id, rotated, renewed, b"f" * 32)
        store.touch(key.id, renewed)
        held = store.find(key.id).record
        assert (held.secret_hash, held.previous_hash) == (renewed, key.secret_hash)
        store.rotate(key.id, key.secret_hash, rotated, b"g" * 32)
        with pytest.raises(StaleSession):
            store.rotate(key.id, key.secret_hash, rotated, b"g" * 32)
        found = store.find(key.id).record
        assert (found.secret_hash, found.family_hash) == (rotated, b"g" * 32)
        assert not store.revoke(key.id, key.secret_hash)
        assert store.revoke(key.id, rotated) == (key.id, None)
        assert store.find(key.id) is None
    finally:
        shortcut.turn_on()
    assert json.loads(record.data) == json.loads(found.data)
    changed = dict.fromkeys(
        ("data", "secret_hash", "family_hash", "previous_hash", "previous_at", "version"), None
    )
    assert record._replace(**changed) == found._replace(**changed)
    hidden = dict.fromkeys(("id", "secret_hash", "family_hash"), 0)
    return {**found._asdict(), **hidden, "data": json.loads(found.data)}, clock.now


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PATCHES, min_size=1, max_size=3))
def test_both_ways_write_the_same(db, patches):
    mine, now = written(patches, by_orm=False)
    theirs, then = written(patches, by_orm=True)
    moved = {name: value - (now - then) for name, value in mine.items() if hasattr(value, "tzinfo")}
    assert {**mine, **moved} == theirs


@pytest.mark.parametrize("by_orm", [False, True])
def test_both_ways_end_the_same_sessions(by_orm, django_assert_max_num_queries):
    store, (user, other) = DatabaseStore(), (new_user(), new_user())
    spared, *mine = [insert(store, user_id=user.pk) for _ in range(3)]
    theirs, nobodys = insert(store, user_id=other.pk), insert(store)
    if by_orm:
        shortcut.turn_off(AttributeError("for the ORM"))
    try:
        with django_assert_max_num_queries(4 if by_orm else 1):
            assert sorted(store.revoke_all(user.pk, spared.id)) == sorted((one.id, user.pk) for one in mine)
        with django_assert_max_num_queries(4 if by_orm else 1):
            assert store.revoke(spared.id) == (spared.id, user.pk)
        assert store.revoke(spared.id) is None
        assert store.revoke_all(user.pk) == store.revoke_all(None) == []
    finally:
        shortcut.turn_on()
    assert all(store.find(key.id) is not None for key in (theirs, nobodys))


def test_who_watches_statements_sees_every_write():
    seen = []

    def watch(execute, sql, params, many, context):
        seen.append(sql.split()[0])
        return execute(sql, params, many, context)

    store, user = DatabaseStore(), new_user()
    key = insert(store, user_id=user.pk)
    with connection.execute_wrapper(watch):
        store.renew(key.id, key.secret_hash, b"r" * 32, b"f" * 32)
        store.rotate(key.id, b"r" * 32, b"n" * 32, b"g" * 32)
        store.touch(key.id, b"n" * 32)
        store.revoke(key.id)
        store.revoke_all(user.pk)
    assert seen == ["UPDATE", "UPDATE", "UPDATE", "DELETE", "DELETE"]


def test_more_keys_than_a_function_of_sqlite_takes_are_all_written():
    store = DatabaseStore()
    key = insert(store)
    many = {f"key{number}": number for number in range(200)}
    store.merge(key.id, key.secret_hash, SessionPatch(json.dumps(many)), None)
    store.merge(key.id, key.secret_hash, SessionPatch(deleted=tuple(many)[:150]), None)
    assert json.loads(store.find(key.id).record.data) == dict([*many.items()][150:])


def test_other_keys_stay_as_they_were_spelled():
    store = DatabaseStore()
    key = insert(store, data=json.dumps({"ü": 1, 'a"b': [10**30, "\u2028", 0.1]}))
    store.merge(key.id, key.secret_hash, SessionPatch('{"c": {"d": null}}', ("e",)), None)
    assert json.loads(store.find(key.id).record.data) == {
        "ü": 1,
        'a"b': [10**30, "\u2028", 0.1],
        "c": {"d": None},
    }


@pytest.mark.skipif(not is_postgresql(), reason="SQLite stores text of any length")
def test_a_refused_value_breaks_the_transaction_as_django_has_it():
    store = DatabaseStore()
    key = insert(store)
    with transaction.atomic():
        with pytest.raises(DataError):
            store.merge(key.id, key.secret_hash, SessionPatch(facts={"label": "x" * 200}), None)
        assert connection.needs_rollback
        transaction.set_rollback(True)


def test_what_the_shortcut_does_not_know_the_orm_writes(monkeypatch):
    def unknown(*args):
        raise AttributeError("get_db_prep_save")

    store, key = DatabaseStore(), keys.mint()
    monkeypatch.setattr(statements, "returned", unknown)
    store.insert(NewSession(key.id, key.secret_hash, key.family_hash, timedelta(days=1), None))
    shortcut.turn_on()
    store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None)
    shortcut.turn_on()
    assert store.touch(key.id, key.secret_hash)
    shortcut.turn_on()
    monkeypatch.setattr(statements._Columns, "key", unknown)
    assert store.renew(key.id, key.secret_hash, b"r" * 32, key.family_hash)
    shortcut.turn_on()
    store.rotate(key.id, b"r" * 32, b"n" * 32, key.family_hash)
    shortcut.turn_on()
    assert Session.objects.get(pk=key.id).data == {"a": 1}
    assert store.revoke(key.id) == (key.id, None)
    shortcut.turn_on()
    assert store.revoke_all(new_user().pk) == []
    shortcut.turn_on()
