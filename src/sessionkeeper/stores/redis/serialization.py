"""Converts sessions to the fields of a hash, and back. Data is JSON, key by key; nothing is ever executed.

Fields of session data begin with ``d:``, so that no key of a project can collide with our own fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import NewSession, SessionRecord, SessionTimestamps
from sessionkeeper.stores import codec
from sessionkeeper.stores.codec import parse

#: The format of the hash. Another value was written by a release that this one cannot read.
FORMAT = b"1"
DATA = "d:"
_DATA = b"d:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HASH_LENGTH = 32
_MICROS = 1_000_000
# Below it (in the year 2112) a float of seconds is exact to the microsecond, and faster.
_EXACT = 2**52
# Texts without escapes, and short integers: their JSON is valid as it is.
_PLAIN_VALUE = re.compile(r'"[ !#-\[\]-~]*"|0|-?[1-9][0-9]{0,17}|true|false|null', re.ASCII)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
#: The fields of a session's facts.
FACTS: Mapping[str, str] = {
    "user_id": "user",
    "idle_seconds": "idle",
    "ip_address": "ip_address",
    "user_agent": "user_agent",
    "label": "label",
    "amr": "amr",
}
#: The fields of the times, and of the secret before the last renewal.
PAST: Mapping[str, str] = {
    "created_at": "created",
    "authenticated_at": "authenticated",
    "last_seen_at": "seen",
    "previous_hash": "previous",
    "previous_at": "previous_at",
}


def new_fields(new: NewSession) -> list[Any]:
    """Return alternating fields and values of a new session, with times only if it has a past."""
    facts = {name: getattr(new, name) for name in FACTS}
    return [
        *("format", FORMAT, "family", new.family_hash, "transport", new.transport),
        *(part for pair in _facts(facts).items() if pair[1] is not None for part in pair),
        *(_past(new.past) if new.past is not None else ()),
        *data_fields(new.data),
    ]


def _past(past: SessionTimestamps) -> Iterable[Any]:
    for name, value in past._asdict().items():
        if value is not None:
            yield PAST[name]
            yield microseconds(value) if isinstance(value, datetime) else value


def changed_facts(facts: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Return the fields to delete, and alternating fields and values to set."""
    fields = _facts(facts)
    dropped = [name for name, value in fields.items() if value is None]
    return dropped, [part for name, value in fields.items() if value is not None for part in (name, value)]


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields and values; None, also for empty text, is not stored."""
    texts = {FACTS[name]: user_text(value) if name == "user_id" else value for name, value in facts.items()}
    return {name: None if value == "" else value for name, value in texts.items()}


def data_fields(text: str) -> list[Any]:
    """Return alternating fields and values of session data, given as the text of a JSON object."""
    if text == "{}":
        return []
    return [part for name, value in parse(text).items() for part in (DATA + name, json.dumps(value))]


def lifetime(given: timedelta | datetime | None) -> str:
    """Return a lifetime for the script, in microseconds: from now with a plus sign, else since 1970."""
    if given is None:
        return ""
    return f"+{given // _MICROSECOND}" if isinstance(given, timedelta) else microseconds(given)


def microseconds(moment: datetime) -> str:
    """Return a moment in microseconds since 1970."""
    return str((moment - _EPOCH) // _MICROSECOND)


def moment(text: bytes) -> datetime:
    """Return the moment of a text in microseconds since 1970.

    Raises:
        ValueError, OverflowError: the text is not valid.
    """
    number = int(text)
    if 0 <= number < _EXACT:
        return datetime.fromtimestamp(number / _MICROS, UTC)
    return _EPOCH + timedelta(microseconds=number)


def server_time(answer: Sequence[bytes]) -> datetime:
    """Return the moment in an answer to TIME: seconds since 1970, and microseconds."""
    seconds, micros = answer
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros))


def user_text(user_id: Any) -> str | None:
    """Return a user's primary key as text, whatever form it is given in."""
    field = None if user_id is None else _user_field(settings.AUTH_USER_MODEL)
    return None if field is None else str(field.to_python(user_id))


def user_id(text: bytes | None) -> Any:
    """Return the primary key of a text.

    Raises:
        ValueError, ValidationError: the text is not valid.
    """
    field = None if text is None else _user_field(settings.AUTH_USER_MODEL)
    return None if field is None or text is None else field.to_python(text.decode())


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Return alternating fields and values as pairs."""
    turns = iter(flat)
    return zip(turns, turns, strict=True)


def to_record(session_id: int, fields: Mapping[bytes, bytes]) -> SessionRecord:
    """Return the record of a hash.

    Raises:
        CorruptPayload: the hash is not a valid session.
    """
    try:
        data = [
            _member(name[len(_DATA) :].decode(), value.decode())
            for name, value in fields.items()
            if name[:2] == _DATA
        ]
        return _record(session_id, fields, "{" + ", ".join(data) + "}")
    except (KeyError, ValueError, OverflowError, RecursionError, ValidationError) as error:
        raise CorruptPayload("The stored session cannot be read.") from error


def _member(name: str, value: str) -> str:
    # Parsed unless plain, since an invalid value could add keys to the object.
    if _PLAIN_VALUE.fullmatch(value) is None:
        parse(value)
    return f'"{name}": {value}' if _PLAIN_NAME.fullmatch(name) else f"{json.dumps(name)}: {value}"


def _record(session_id: int, meta: Mapping[bytes, bytes], data: str) -> SessionRecord:
    if meta[b"format"] != FORMAT:
        raise ValueError("The hash has another format.")
    idle, address = meta.get(b"idle"), meta.get(b"ip_address")
    return SessionRecord(  # by position: keywords cost as much as the values
        session_id,
        _digest(meta[b"secret"]),
        _digest(meta[b"family"]),
        _digest(meta[b"previous"]) if b"previous" in meta else None,
        _optional_moment(meta.get(b"previous_at")),
        user_id(meta.get(b"user")),
        meta[b"transport"].decode(),
        data,
        moment(meta[b"created"]),
        _optional_moment(meta.get(b"authenticated")),
        moment(meta[b"seen"]),
        moment(meta[b"expires"]),
        None if idle is None else int(idle),
        None if address is None else address.decode(),
        meta.get(b"user_agent", b"").decode(),
        meta.get(b"label", b"").decode(),
        meta.get(b"amr", b"").decode(),
        int(meta[b"version"]),
    )


def _digest(value: bytes) -> bytes:
    if len(value) != _HASH_LENGTH:
        raise ValueError("This is not a SHA-256 hash.")
    return value


def _optional_moment(text: bytes | None) -> datetime | None:
    return None if text is None else moment(text)


@lru_cache(maxsize=8)
def _user_field(model: str) -> Any:
    """Return the primary key field of the user model; None where our columns cannot hold its values."""
    if not codec.fit():
        return None
    return codec.plain_field(codec.user_model()._meta.pk)
