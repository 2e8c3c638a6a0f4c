"""The principal cache: the columns of a user, stored with a session in Valkey or Redis."""

from __future__ import annotations

import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from hmac import compare_digest
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.utils.crypto import salted_hmac

from sessionkeeper import conf
from sessionkeeper.conf import namespaces
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import Lookup
from sessionkeeper.stores.codec import parse
from sessionkeeper.stores.database import transactions
from sessionkeeper.stores.database.user_query import hash_is_djangos, hash_of_password, maker
from sessionkeeper.stores.redis import serialization, user_lookup
from sessionkeeper.stores.redis.client import Client
from sessionkeeper.stores.redis.indexes import Index
from sessionkeeper.stores.redis.user_lookup import Answer, UserQuery
from sessionkeeper.stores.user_snapshot import Snapshot

#: Fields of a session's hash: the columns, and how often the cache was invalidated.
FIELD, INVALIDATIONS = b"principal", b"dropped"
_HASH = (serialization.DATA + HASH_SESSION_KEY).encode()
_PASSWORD = "password"  # noqa: S105 - the name of a column
_MICROSECOND = timedelta(microseconds=1)
_NONE = timedelta(0)

Fields = Mapping[bytes, bytes]


def invalidations(fields: Fields) -> bytes:
    """Return how often the cache had been invalidated when the session was read."""
    return fields.get(INVALIDATIONS, b"0")


def read(fields: Fields, found: Lookup, longest: timedelta) -> Snapshot | None:
    """Return the user cached with a session, read no longer ago than ``longest``; None: read the database."""
    text = fields.get(FIELD)
    query = user_lookup.current_query() if text is not None else None
    form = _form_of(query) if query is not None else None
    if text is None or query is None or form is None:
        return None
    try:
        mark, read_at, auth_hash, columns = parse(text.decode())
        age = found.now - serialization.moment(read_at)
        values = [_parse(value) for value in columns]
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        return None
    if (
        mark != form.mark
        or not _NONE <= age <= longest
        or len(values) != len(form.names)
        or not _is_hash_of_session(fields, auth_hash)
        or values[form.pk] != found.record.user_id
    ):
        return None
    return Snapshot(form.make, form.names, values, query.is_current, auth_hash)


def write(fields: Fields, found: Lookup, snapshot: Snapshot) -> str | None:
    """Return the text to cache for a user who was just read; None where it could admit nobody."""
    query = user_lookup.current_query()
    form = _form_of(query) if query is not None and snapshot.is_current() else None
    values = dict(zip(snapshot.names, snapshot.values, strict=True))
    if form is None or not values.get("is_active", True):
        return None
    auth_hash = hash_of_password(values.pop(_PASSWORD), settings.SECRET_KEY)
    if not _is_hash_of_session(fields, auth_hash):
        return None
    try:
        columns = [_dump(value) for value in values.values()]
    except TypeError:
        return None
    return json.dumps([form.mark, serialization.microseconds(found.now), auth_hash, columns])


def _is_hash_of_session(fields: Fields, auth_hash: Any) -> bool:
    stored = fields.get(_HASH, b"")
    if not (isinstance(auth_hash, str) and auth_hash.isascii()):
        return False
    text = f'"{auth_hash}"' if auth_hash.isalnum() else json.dumps(auth_hash)
    return compare_digest(stored, text.encode())


class _Form(NamedTuple):
    """How a user is cached: a mark of the query that read it, and how to make an instance."""

    mark: str
    names: tuple[str, ...]
    pk: int
    make: Callable[[Sequence[Any]], Any]


def _form_of(query: UserQuery) -> _Form | None:
    """Return the form for users of a query; None where they must not be cached.

    The query includes the columns, and the manager's conditions with their tenant. ``SECRET_KEY`` is part of
    the mark, so that a new key takes effect at once. A user model with parents is not cached, since saves of
    a parent go unnoticed; nor one with its own session auth hash, which may depend on anything.
    """
    if not hash_is_djangos(query.user.model):
        return None
    secret = settings.SECRET_KEY
    try:
        form: _Form | None = query.derived[secret]
    except KeyError:
        form = query.derived[secret] = _form(query, secret)
    return form


def _form(query: UserQuery, secret: str) -> _Form | None:
    user = query.user
    if _PASSWORD not in user.names or user.model._meta.parents:
        return None
    text = f"{query.sql} {query.conditions!r}"
    code = salted_hmac("sessionkeeper.principal_cache", text, secret=secret, algorithm="sha256")
    names = tuple(name for name in user.names if name != _PASSWORD)
    pk = names.index(user.names[user.pk])
    return _Form(code.hexdigest()[:32], names, pk, maker(user.model, query.alias, names))


_PLAIN = (str, int, bool, float, type(None))
# The name of a type, how to write its values, and how to read them.
_TYPES: Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: ("us", lambda value: value // _MICROSECOND, lambda value: value * _MICROSECOND),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    bytes: ("bytes", lambda value: b64encode(value).decode(), b64decode),
}
_READERS = {name: read for name, _, read in _TYPES.values()} | {
    "at": datetime.fromisoformat,
    "json": json.loads,
}


def _dump(value: Any) -> Any:
    """Return a value that JSON preserves: itself, or the name of its type and a text.

    Raises:
        TypeError: there is none.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is datetime and value.tzinfo in {None, UTC}:
        return ["at", value.isoformat()]
    if kind in _TYPES and getattr(value, "tzinfo", None) is None:
        name, write, _ = _TYPES[kind]
        return [name, write(value)]
    if kind in {dict, list}:
        text = json.dumps(value)
        if json.loads(text) == value:
            return ["json", text]
    raise TypeError


def _parse(value: Any) -> Any:
    if type(value) is not list:
        return value
    name, text = value
    if name not in _READERS:
        raise ValueError("The type is unknown.")
    parsed = _READERS[name](text)
    # The same UTC object as the drivers'.
    return parsed.replace(tzinfo=UTC) if name == "at" and parsed.tzinfo is not None else parsed


log = logging.getLogger("sessionkeeper.store")


def longest() -> timedelta | None:
    """Return the longest age of a cached user; None where the cache is off."""
    return conf.current().principal_cache


class UserCache:
    """Fills and invalidates the cache. ``now`` is the time for the script; empty: the server's own."""

    def __init__(self, client: Client, index: Index) -> None:
        self._client = client
        self._index = index

    def fill(self, fields: Fields, found: Lookup, answer: Answer, now: str) -> None:
        """Cache a user who was read, once that is committed, unless invalidated until then."""
        if answer.snapshot is None or answer.after_commit is None:
            return
        text = write(fields, found, answer.snapshot)
        if text is not None:
            arguments = ("remember", now, invalidations(fields), text)
            answer.after_commit(partial(self._write, self._index.session(found.record.id), arguments))

    def _write(self, key: str, arguments: tuple[str | bytes, ...]) -> None:
        with suppress(StoreUnavailable):  # then the next request reads the database again
            self._client.run([key], *arguments)

    def drop(self, user: str | None, now: str) -> None:
        """Invalidate a user: now, and after the current transaction, until which others read the old state.

        Best effort: what could not be invalidated is used until it is too old.
        """
        if user is None:
            return
        alias = user_lookup.users_database()
        if transactions.is_open(alias):
            transactions.after_commit(alias, namespaces.later(partial(self._drop, user, now)))
        self._drop(user, now)

    def _drop(self, user: str, now: str) -> None:
        try:
            ids = self._index.read(user, now).ids()
            self._client.run_many([(self._index.session(one), ("forget", now)) for one in ids])
        except StoreUnavailable:
            log.warning("What is kept of a user could not be dropped: it is believed until it is too old.")
