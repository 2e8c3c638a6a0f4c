"""A limit on a user's sessions in Valkey, while others sign in and out."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from sessionkeeper.core import keys
from sessionkeeper.core.errors import TooManySessions
from sessionkeeper.core.records import NewSession, SessionLimit
from sessionkeeper.stores.redis import session_limit, tombstones
from tests.stores import KINDS, Clock, insert, redis_store

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


@pytest.fixture(params=KINDS)
def store(request, clock):
    """A store at each kind of server, whose time stands."""
    return redis_store(request.param, clock)


@pytest.fixture
def user(make_user):
    """The primary key of a user."""
    return make_user().pk


def raw(store):
    """The client below a store."""
    return store.client.connection


def hash_of(store, key):
    """The key of a session's hash."""
    return store._index.session(key.id)


def new_session(user, limit):
    """A sign-in under a limit."""
    key, day = keys.mint(), timedelta(days=1)
    facts = {"user_id": user, "limit": limit, "authenticated": True}
    return NewSession(key.id, key.secret_hash, key.family_hash, day, None, **facts)


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_fifty_sign_ins_at_once_keep_to_the_limit(kind, action, user, monkeypatch):
    # Fifty connections would wait for the test's own transaction.
    monkeypatch.setattr(tombstones, "record", lambda ended: None)
    monkeypatch.setattr(tombstones, "among", lambda session_ids: set())
    store, barrier, outcomes = redis_store(kind), threading.Barrier(50), []
    limit = SessionLimit(3, end_oldest=action == "end_oldest")

    def sign_in():
        barrier.wait(30)
        try:
            store.insert(new_session(user, limit))
            outcomes.append("in")
        except TooManySessions:
            outcomes.append("refused")
        except Exception as error:  # noqa: BLE001 - the test must know
            outcomes.append(repr(error))

    threads = [threading.Thread(target=sign_in) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.list_for(user)) == 3
    expected = {"in": 50} if action == "end_oldest" else {"in": 3, "refused": 47}
    assert {name: outcomes.count(name) for name in set(outcomes)} == expected


def without_session(store, user):
    """A key whose session is gone and whose entry in the user's index is not: one that is just ending."""
    key = insert(store, user_id=user)
    raw(store).delete(hash_of(store, key))
    return key


def signed_in(store, user):
    """Sign in where three sessions are allowed; return how many of the others it ended."""
    return len(store.insert(new_session(user, SessionLimit(3, end_oldest=True))))


def test_who_stays_on_the_way_counts_as_there(user, monkeypatch):
    store = redis_store("cluster")
    oldest, _ = (insert(store, user_id=user) for _ in range(2))
    without_session(store, user)
    monkeypatch.setattr(session_limit, "PATIENCE", 0.05)
    assert signed_in(store, user) == 1
    assert oldest.id not in {record.id for record in store.list_for(user)}
