"""What the database store costs, and what it has indexes for."""

from __future__ import annotations

import json

import pytest

from sessionkeeper.core import keys
from sessionkeeper.core.records import (
    SessionPatch,
)
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import Clock, insert, is_postgresql

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


def patch(store, key, seen=None, deleted=(), **values):
    """Merge these values."""
    store.merge(key.id, key.secret_hash, SessionPatch(json.dumps(values), deleted), seen)


def merge_replacing(store, key):
    """Merge all."""
    store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}', replace=True), None)


def rotate(store, key):
    """Rotate."""
    new = keys.rotate(key)
    store.rotate(key.id, key.secret_hash, new.secret_hash, new.family_hash)


COSTS = {
    "find": lambda store, key, user: store.find(key.id),
    "find with principal": lambda store, key, user: store.find(key.id, principal=True),
    "insert": lambda store, key, user: insert(store, user_id=user),
    "rotate": lambda store, key, user: rotate(store, key),
    "touch": lambda store, key, user: store.touch(key.id, key.secret_hash),
    "revoke": lambda store, key, user: store.revoke(key.id),
    "revoke of an absent": lambda store, key, user: store.revoke(1),
    "revoke_all": lambda store, key, user: store.revoke_all(user, key.id),
    "list_for": lambda store, key, user: store.list_for(user),
    "list_for with a limit": lambda store, key, user: store.list_for(user, 2, key.id),
    "count": lambda store, key, user: store.count(),
    "merge that replaces": lambda store, key, user: merge_replacing(store, key),
}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.django_db(transaction=True)
def test_one_statement_is_enough(django_assert_num_queries, make_user, name):
    store, user = DatabaseStore(), make_user().pk
    key = insert(store, user_id=user)
    for _ in range(5):
        insert(store, user_id=user)
    store.find(key.id, principal=True)
    with django_assert_num_queries(1):
        COSTS[name](store, key, user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["a", 'a "name" that no path of SQLite can spell'])
def test_a_merge_is_one_statement_and_a_swap_is_one_if_the_record_is_as_it_was_read(
    django_assert_num_queries, name
):
    store = DatabaseStore()
    key = insert(store)
    seen = store.find(key.id).record
    swaps = name != "a" and not is_postgresql()
    with django_assert_num_queries(1):
        patch(store, key, seen, **{name: 1})
    with django_assert_num_queries(2 if swaps else 1):
        patch(store, key, None, **{name: 2})
    with django_assert_num_queries(3 if swaps else 1):  # try, read, try
        patch(store, key, seen, **{name: 3})


@pytest.mark.django_db(transaction=True)
@pytest.mark.rule("L11")
def test_a_step_of_a_purge_costs_the_same_whatever_it_finds(django_assert_num_queries, clock):
    store = DatabaseStore(clock=clock)
    for _ in range(20):
        insert(store)
    clock.move(days=5)
    for size, removed in ((15, 15), (15, 5)):
        with django_assert_num_queries(2):  # where the part ends, and the delete
            assert store.purge(size).sessions == removed


def test_the_user_column_is_indexed_and_what_a_touch_moves_is_not():
    indexed = {field.name for field in Session._meta.local_fields if field.db_index or field.unique}
    assert indexed == {"id"}
    assert [index.fields for index in Session._meta.indexes] == [["user", "id"]]
