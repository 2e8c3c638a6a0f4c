"""One session as one line of JSON, and back. A line holds digests of the key, never the key.

A file begins with :data:`HEAD` and ends with a line that says how many sessions there are, so that one that
was cut off is noticed.
"""

from __future__ import annotations

import json
from binascii import Error, a2b_hex
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import BEARER, COOKIE, NewSession, SessionRecord, SessionTimestamps
from sessionkeeper.engine import registry, session_data, users
from sessionkeeper.stores import codec

HEAD: Final = {"format": "sessionkeeper sessions", "version": 1}
END: Final = "sessions"
_DIGEST_LENGTH = 32
_LONGEST_TEXT = {"user_agent": 512, "label": 100, "amr": 100}
_MOST_SECONDS = 2**31 - 1


class BadLine(ValueError):
    """A line is not what an export writes; the text says why."""


def write(record: SessionRecord) -> str:
    """Return a session as a line.

    Raises:
        CorruptPayload: its data is not an object of JSON.
    """
    try:
        data = json.loads(record.data)
    except ValueError as error:
        raise CorruptPayload("The stored session data cannot be read.") from error
    if not isinstance(data, dict):
        raise CorruptPayload("The stored session data is not an object.")
    plain = {**record._asdict(), "id": keys.encode_id(record.id), "data": data}
    plain["user_id"] = users.key_as_json(record.user_id)
    del plain["version"], plain["namespace"]  # it is restored into the one that is active then
    return json.dumps(plain, default=_as_text)


def _as_text(value: Any) -> str | None:
    return registry.as_text(value) if isinstance(value, datetime) else bytes(value).hex()


def read(values: Any) -> NewSession:
    """Return the session that a line, parsed as JSON, holds.

    Raises:
        BadLine: it holds none.
    """
    if not isinstance(values, dict):
        raise BadLine("is not a JSON object")
    fields = _READERS.keys()
    if values.keys() != fields:
        missing, unknown = fields - values.keys(), values.keys() - fields
        raise BadLine(
            f"lacks {', '.join(sorted(missing))}" if missing else f"has an unknown {min(unknown)!r}"
        )
    read: dict[str, Any] = {}
    for name, reader in _READERS.items():
        try:
            read[name] = reader(values[name])
        except (ValueError, TypeError, OverflowError, RecursionError, Error) as error:
            raise BadLine(f"has no {name} that could be one: {error}") from error
    past = SessionTimestamps(*(read.pop(name) for name in SessionTimestamps._fields))
    stated, expires_at, data = read.pop("user_id"), read.pop("expires_at"), _opened(read.pop("data"))
    text, user_id = codec.encode(data), _user(data, stated)
    return NewSession(**read, data=text, lifetime=expires_at, past=past, user_id=user_id)


def _opened(text: str) -> dict[str, Any]:
    try:
        return codec.decode(text)
    except CorruptPayload as error:
        raise BadLine("has data that SECRET_KEY and SESSION_SERIALIZER of this site cannot read") from error


def _user(data: dict[str, Any], stated: Any) -> Any:
    """Return whom the data signs in. The user's column only follows the data, and must not say otherwise."""
    user_id = session_data.owner_of(data)
    if (None if user_id is None else str(user_id)) != (None if stated is None else str(stated)):
        raise BadLine("has data of another user than it says")
    return user_id


def _id(value: Any) -> int:
    number = keys.parse_id(value) if isinstance(value, str) else None
    if number is None:
        raise ValueError(f"{value!r}")
    return number


def _digest(value: Any) -> bytes:
    digest = a2b_hex(value)
    if len(digest) != _DIGEST_LENGTH:
        raise ValueError(f"{_DIGEST_LENGTH} bytes in hexadecimal are one")
    return digest


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} is in no time zone")
    return moment.astimezone(UTC)


def _data(value: Any) -> str:
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return json.dumps(value)


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST_SECONDS:
        raise ValueError(f"{value!r}")
    return value


def _transport(value: Any) -> str:
    if value not in {COOKIE, BEARER}:
        raise ValueError(f"{value!r}")
    return str(value)


def _user_key(value: Any) -> Any:
    if not isinstance(value, int | str):
        raise TypeError(f"{value!r}")
    return value


def _text(name: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT[name] or not (value + " ").isprintable():
            raise ValueError(f"up to {_LONGEST_TEXT[name]} printable characters are one")
        return value

    return read


def _or_none(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "id": _id,
    "secret_hash": _digest,
    "family_hash": _digest,
    "previous_hash": _or_none(_digest),
    "previous_at": _or_none(_moment),
    "user_id": _or_none(_user_key),
    "transport": _transport,
    "data": _data,
    "created_at": _moment,
    "authenticated_at": _or_none(_moment),
    "last_seen_at": _moment,
    "expires_at": _moment,
    "idle_seconds": _or_none(_seconds),
    "ip_address": _or_none(lambda value: str(ip_address(value))),
    **{name: _text(name) for name in _LONGEST_TEXT},
}
