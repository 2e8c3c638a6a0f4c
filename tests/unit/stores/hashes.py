"""What stands in Valkey of a session, and sign-ins that are under way."""

from __future__ import annotations

from datetime import timedelta

from sessionkeeper.core import keys
from sessionkeeper.core.records import NewSession, SessionLimit
from tests.stores import insert


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
    return len(store.insert(new_session(user, SessionLimit(3, end_oldest=True)))[1])
