"""What the store in force holds, looked at and changed behind its back: a table, or hashes in Valkey."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from types import SimpleNamespace

from django.conf import settings
from django.core import serializers
from django.db.models import F

from sessionkeeper import conf
from sessionkeeper.conf import redis_url
from sessionkeeper.models import Session
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_store
from sessionkeeper.stores.redis import open_store, serialization

_ALL = 10_000
_TIMES = {
    "created_at": "created",
    "authenticated_at": "authenticated",
    "last_seen_at": "seen",
    "expires_at": "expires",
    "previous_at": "previous_at",
}


def is_in_valkey():
    """Whether the sessions are in Valkey, where they cost no statement."""
    return redis_url.is_redis(conf.current().store)


def count():
    """Return how many sessions there are."""
    return len(records())


def records():
    """Return all sessions, newest first."""
    return get_store().scan(_ALL)


def record(session_id=None):
    """Return the session with this id; without an id the only one."""
    if session_id is None:
        [only] = records()
        return only
    found = get_store().find(session_id)
    assert found is not None, "There is no such session."
    return found.record


def row(session_id=None):
    """Return such a session as a row of the table is: with ``pk``, and its data opened."""
    fields = record(session_id)._asdict()
    return SimpleNamespace(**fields | {"pk": fields["id"], "data": codec.decode(fields["data"])})


def data(session_id=None):
    """Return the data of such a session."""
    return codec.decode(record(session_id).data)


def set_times(session_id=None, **moments):
    """Set times of a session, or of all."""
    if not is_in_valkey():
        _rows(session_id).update(**moments)
        return
    fields = {_TIMES[name]: serialization.microseconds(moment) for name, moment in moments.items()}
    for one in _ids(session_id):
        _valkey().hset(_key(one), mapping=fields)


def set_back(*names, session_id=None, **duration):
    """Move times of a session, or of all, into the past. A time that is not set stays so."""
    by = timedelta(**duration)
    if not is_in_valkey():
        _rows(session_id).update(**{name: F(name) - by for name in names})
        return
    for one in _ids(session_id):
        before = record(one)._asdict()
        moved = {name: before[name] - by for name in names if before[name] is not None}
        if moved:
            set_times(one, **moved)


def spoil():
    """Make the data of all sessions something that nobody can read."""
    if not is_in_valkey():
        _rows(None).update(data=[1, 2])
        return
    for one in _ids(None):
        _valkey().hset(_key(one), "d:a", "{")


def drop(session_id=None):
    """Remove a session, or all, and tell nobody."""
    if not is_in_valkey():
        _rows(session_id).delete()
        return
    for one in _ids(session_id):
        _valkey().delete(_key(one))


def dump():
    """Return all that the store holds, as a text."""
    if not is_in_valkey():
        return serializers.serialize("json", Session.objects.all())
    server = _valkey()
    read = {b"hash": server.hgetall, b"zset": lambda key: server.zrange(key, 0, -1, withscores=True)}
    return repr({key: read[server.type(key)](key) for key in _keys(get_store().store)})


def forget_everything():
    """Empty the Valkey that the suite runs on, whatever store the settings name now."""
    store = _open(settings.STORE_OF_THE_SUITE)
    left = _keys(store)
    if left:
        store.client.connection.unlink(*left)


_open = cache(open_store)


def _keys(store):
    return list(store.client.connection.scan_iter(match=f"{store.client.url.prefix}*", count=1000))


def _valkey():
    return get_store().store.client.connection


def _key(session_id):
    return get_store().store._index.session(session_id)


def _rows(session_id):
    rows = Session.objects.all()
    return rows if session_id is None else rows.filter(pk=session_id)


def _ids(session_id):
    return [one.id for one in records()] if session_id is None else [session_id]
