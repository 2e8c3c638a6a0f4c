"""The columns of a user, kept with the session in Valkey: ``PRINCIPAL_CACHE``.

What is kept only lets people in: before anybody is refused the database is asked. The password's hash is not
among it, but what Django makes of that for the session, an HMAC with ``SECRET_KEY``. On an instance made of
the rest, ``password`` is a deferred field: read from the database when somebody asks for it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from hmac import compare_digest
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.utils.crypto import salted_hmac

from sessionkeeper.record import Found
from sessionkeeper.stores import auth_hash, principals
from sessionkeeper.stores.instances import maker
from sessionkeeper.stores.principals import Asking
from sessionkeeper.stores.redis import packing
from sessionkeeper.stores.snapshot import Snapshot

#: Fields of a session's hash: the columns, and how often they were dropped.
FIELD, DROPPED = b"principal", b"dropped"
_HASH = (packing.DATA + HASH_SESSION_KEY).encode()
_SECRET = "password"  # noqa: S105 - the name of a column
_MICROSECOND = timedelta(microseconds=1)

Fields = Mapping[bytes, bytes]


def dropped(fields: Fields) -> bytes:
    """Return how often what was kept had been dropped when the session was read."""
    return fields.get(DROPPED, b"0")


def read(fields: Fields, found: Found, longest: timedelta) -> Snapshot | None:
    """Return the user that is kept with a session, read no longer ago than ``longest``; None: ask."""
    text = fields.get(FIELD)
    asking = principals.asking() if text is not None else None
    mark = _mark_of(asking) if asking is not None else None
    if text is None or asking is None or mark is None:
        return None
    try:
        kept_mark, asked, kept_hash, columns = json.loads(text)
        age = (found.now - packing.moment(asked)) // _MICROSECOND
        values = [_opened(value) for value in columns]
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        return None
    names = [name for name in asking.user.names if name != _SECRET]
    if (
        kept_mark != mark
        or not 0 <= age <= longest // _MICROSECOND
        or len(values) != len(names)
        or not _is_hash_of_session(fields, kept_hash)
        or values[names.index(asking.user.names[asking.user.pk])] != found.record.user_id
    ):
        return None
    make = maker(asking.user.model, asking.alias, tuple(names))
    return Snapshot(make, names, values, asking.is_current, kept_hash)


def write(fields: Fields, found: Found, snapshot: Snapshot) -> str | None:
    """Return what is to be kept of a user who was just read; None: nothing, it would let nobody in."""
    asking = principals.asking()
    mark = _mark_of(asking) if asking is not None and snapshot.is_current() else None
    held = dict(zip(snapshot.names, snapshot.values, strict=True))
    if mark is None or not held.get("is_active", True):
        return None
    kept_hash = auth_hash.of_password(held.pop(_SECRET), settings.SECRET_KEY)
    if not _is_hash_of_session(fields, kept_hash):
        return None
    try:
        columns = [_closed(value) for value in held.values()]
    except TypeError:
        return None
    return json.dumps([mark, packing.microseconds(found.now), kept_hash, columns])


def _is_hash_of_session(fields: Fields, kept: Any) -> bool:
    stored = fields.get(_HASH, b"")
    return isinstance(kept, str) and kept.isascii() and compare_digest(stored, json.dumps(kept).encode())


def _mark_of(asking: Asking) -> str | None:
    """Return what tells that columns were read by the same question; None where nothing may be kept.

    The question holds the columns, the conditions of the manager, and with them a tenant; ``SECRET_KEY`` is
    in it, so that a new one holds at once. A user that is in several tables changes without our hearing of
    it, and a hash of the project's own may depend on anything.
    """
    model = asking.user.model
    if _SECRET not in asking.user.names or model._meta.parents or not auth_hash.is_djangos(model):
        return None
    return _mark(f"{asking.sql} {asking.conditions!r}", settings.SECRET_KEY)


@lru_cache(maxsize=64)
def _mark(question: str, secret: str) -> str:
    code = salted_hmac("sessionkeeper.principal_cache", question, secret=secret, algorithm="sha256")
    return code.hexdigest()[:32]


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
    if not isinstance(value, list):
        return value
    name, text = value
    if name not in _READERS:
        raise ValueError("an unknown kind")
    opened = _READERS[name](text)
    # The one object that the drivers give for UTC.
    return opened.replace(tzinfo=UTC) if name == "at" and opened.tzinfo is not None else opened
