"""When the columns of a user are kept with a session in Valkey, and when they are dropped."""

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

#: Fields of a session's hash: the columns, and how often they were dropped.
FIELD, DROPPED = b"principal", b"dropped"
_HASH = (serialization.DATA + HASH_SESSION_KEY).encode()
_SECRET = "password"  # noqa: S105 - the name of a column
_MICROSECOND = timedelta(microseconds=1)
_NONE = timedelta(0)

Fields = Mapping[bytes, bytes]


def dropped(fields: Fields) -> bytes:
    """Return how often what was kept had been dropped when the session was read."""
    return fields.get(DROPPED, b"0")


def read(fields: Fields, found: Lookup, longest: timedelta) -> Snapshot | None:
    """Return the user that is kept with a session, read no longer ago than ``longest``; None: ask."""
    text = fields.get(FIELD)
    asking = user_lookup.asking() if text is not None else None
    form = _form_of(asking) if asking is not None else None
    if text is None or asking is None or form is None:
        return None
    try:
        kept_mark, asked, kept_hash, columns = parse(text.decode())
        age = found.now - serialization.moment(asked)
        values = [_opened(value) for value in columns]
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        return None
    if (
        kept_mark != form.mark
        or not _NONE <= age <= longest
        or len(values) != len(form.names)
        or not _is_hash_of_session(fields, kept_hash)
        or values[form.pk] != found.record.user_id
    ):
        return None
    return Snapshot(form.make, form.names, values, asking.is_current, kept_hash)


def write(fields: Fields, found: Lookup, snapshot: Snapshot) -> str | None:
    """Return what is to be kept of a user who was just read; None: nothing, it would let nobody in."""
    asking = user_lookup.asking()
    form = _form_of(asking) if asking is not None and snapshot.is_current() else None
    held = dict(zip(snapshot.names, snapshot.values, strict=True))
    if form is None or not held.get("is_active", True):
        return None
    kept_hash = hash_of_password(held.pop(_SECRET), settings.SECRET_KEY)
    if not _is_hash_of_session(fields, kept_hash):
        return None
    try:
        columns = [_closed(value) for value in held.values()]
    except TypeError:
        return None
    return json.dumps([form.mark, serialization.microseconds(found.now), kept_hash, columns])


def _is_hash_of_session(fields: Fields, kept: Any) -> bool:
    stored = fields.get(_HASH, b"")
    if not (isinstance(kept, str) and kept.isascii()):
        return False
    return compare_digest(stored, f'"{kept}"'.encode() if kept.isalnum() else json.dumps(kept).encode())


class _Form(NamedTuple):
    """What is kept of a user: what tells that it was read by the same question, and how it is read."""

    mark: str
    names: tuple[str, ...]
    pk: int
    make: Callable[[Sequence[Any]], Any]


def _form_of(asking: UserQuery) -> _Form | None:
    """Return the form of what is kept; None where nothing may be.

    The question holds the columns, the conditions of the manager, and with them a tenant; ``SECRET_KEY`` is
    in it, so that a new one holds at once. A user that is in several tables changes without our hearing of
    it, and a hash of the project's own may depend on anything.
    """
    if not hash_is_djangos(asking.user.model):
        return None
    secret = settings.SECRET_KEY
    try:
        form: _Form | None = asking.worked_out[secret]
    except KeyError:
        form = asking.worked_out[secret] = _form(asking, secret)
    return form


def _form(asking: UserQuery, secret: str) -> _Form | None:
    user = asking.user
    if _SECRET not in user.names or user.model._meta.parents:
        return None
    question = f"{asking.sql} {asking.conditions!r}"
    code = salted_hmac("sessionkeeper.principal_cache", question, secret=secret, algorithm="sha256")
    names = tuple(name for name in user.names if name != _SECRET)
    pk = names.index(user.names[user.pk])
    return _Form(code.hexdigest()[:32], names, pk, maker(user.model, asking.alias, names))


_PLAIN = (str, int, bool, float, type(None))
_WRITERS: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("us", lambda value: value // _MICROSECOND),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    bytes: ("bytes", lambda value: b64encode(value).decode()),
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "at": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "us": lambda value: timedelta(microseconds=value),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": b64decode,
    "json": json.loads,
}


def _closed(value: Any) -> Any:
    """Return a value as JSON has it, or as the name of its kind and a text.

    Raises:
        TypeError: it could not be given back as it is.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is datetime and value.tzinfo in {None, UTC}:
        return ["at", value.isoformat()]
    if kind in _WRITERS and getattr(value, "tzinfo", None) is None:
        name, close = _WRITERS[kind]
        return [name, close(value)]
    if kind in {dict, list}:
        text = json.dumps(value)
        if json.loads(text) == value:
            return ["json", text]
    raise TypeError


def _opened(value: Any) -> Any:
    if type(value) is not list:
        return value
    name, text = value
    if name not in _READERS:
        raise ValueError("an unknown kind")
    opened = _READERS[name](text)
    # The one object that the drivers give for UTC.
    return opened.replace(tzinfo=UTC) if name == "at" and opened.tzinfo is not None else opened


log = logging.getLogger("sessionkeeper.store")


def longest() -> timedelta | None:
    """Return how old what is kept may be; None: nothing is."""
    return conf.current().principal_cache


class UserCache:
    """Keeps and drops. ``now`` is the time that the script is to take; empty: the server's own."""

    def __init__(self, client: Client, index: Index) -> None:
        self._client = client
        self._index = index

    def keep(self, fields: Fields, found: Lookup, answer: Answer, now: str) -> None:
        """Keep what was read of a user, once it is committed, unless it is dropped until then."""
        if answer.snapshot is None or answer.keep is None:
            return
        text = write(fields, found, answer.snapshot)
        if text is not None:
            arguments = ("remember", now, dropped(fields), text)
            answer.keep(partial(self._write, self._index.session(found.record.id), arguments))

    def _write(self, key: str, arguments: tuple[str | bytes, ...]) -> None:
        with suppress(StoreUnavailable):  # then the next request asks again
            self._client.run([key], *arguments)

    def drop(self, user: str | None, now: str) -> None:
        """Drop what is kept of a user: now, and after the transaction under way; until then others read it.

        Best effort: what cannot be dropped is believed until it is too old.
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
