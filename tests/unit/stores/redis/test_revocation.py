"""How sessions in Valkey end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessionkeeper.core import greenlets, keys
from sessionkeeper.core.records import NewSession, SessionLimit
from sessionkeeper.stores.redis import serialization
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


def without_session(store, user):
    """A key whose session is gone and whose entry in the user's index is not: one that is just ending."""
    key = insert(store, user_id=user)
    raw(store).delete(hash_of(store, key))
    return key


def signed_in(store, user):
    """Sign in where three sessions are allowed; return how many of the others it ended."""
    return len(store.insert(new_session(user, SessionLimit(3, end_oldest=True))))


def test_a_session_that_is_just_ending_takes_no_other_with_it(user, monkeypatch):
    store = redis_store("cluster")
    others = [insert(store, user_id=user) for _ in range(2)]
    ending = without_session(store, user)
    waits = []

    def wait(seconds):
        if len(waits) == 3:  # whoever ends it comes to the entry
            store._index.drop_ended([(ending.id, serialization.user_text(user))])
        waits.append(seconds)

    monkeypatch.setattr(greenlets, "sleep", wait)
    assert signed_in(store, user) == 0
    assert len(waits) == 4
    assert {record.id for record in store.list_for(user)} > {key.id for key in others}
