"""The store contract, continued: walks over everybody's sessions, and ending many at once."""

from __future__ import annotations

import pytest

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from tests.stores import STORES, Clock, insert

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=STORES)
def store(request):
    """A store whose time stands."""
    return STORES[request.param](clock=Clock())


def ids(records):
    """Return the ids of these records."""
    return [record.id for record in records]


def test_a_scan_goes_from_the_newest_session_down_in_pages(store):
    for number in (3, 1, keys.MAX_ID, 7, 0):
        insert(store, keys.Key(number, keys.mint().secret))
    assert ids(store.scan(2)) == [keys.MAX_ID, 7]
    assert ids(store.scan(2, 6)) == [3, 1]
    assert ids(store.scan(2, 0)) == [0]
    assert ids(store.scan(10)) == [keys.MAX_ID, 7, 3, 1, 0]


def test_a_scan_holds_expired_sessions_and_those_of_nobody(store, make_user):
    clock = store._clock
    old = insert(store, idle_seconds=1)
    clock.move(days=2)
    mine = insert(store, keys.Key(old.id + 1, keys.mint().secret), user_id=make_user().pk)
    assert ids(store.scan(10)) == [mine.id, old.id]
    assert store.scan(10)[0] == store.find(mine.id).record


def test_ending_many_says_how_many_there_were_and_leaves_the_others(store):
    made = [insert(store, keys.Key(number, keys.mint().secret)).id for number in range(5)]
    assert {one.id for one in store.revoke_many([made[0], made[2], keys.mint().id])} == {made[0], made[2]}
    assert ids(store.scan(10)) == [4, 3, 1]
    assert store.revoke_many([]) == []


@pytest.fixture
def small_batches(monkeypatch, store):
    """Walks over this store in batches of two."""
    monkeypatch.setattr(registry, "BATCH", 2)
    monkeypatch.setattr(registry, "get_store", lambda: store)
    return store


def test_a_walk_over_everybody_takes_all_batches(small_batches):
    made = [insert(small_batches, keys.Key(number, keys.mint().secret)).id for number in range(5)]
    assert ids(registry.scan()) == made[::-1]
    assert registry.revoke_many(made[:3]) == 3
    assert ids(registry.scan()) == [4, 3]


def test_ending_everyone_goes_batch_by_batch_to_the_end(small_batches):
    for number in range(5):
        insert(small_batches, keys.Key(number, keys.mint().secret))
    assert list(registry.revoke_everyone()) == [2, 2, 1]
    assert small_batches.count() == 0
