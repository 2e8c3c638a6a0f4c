"""Sessions on the command line: a line of a list, a page about one, JSON. No hashes, no values of data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sessionkeeper.core import keys, policy
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine import registry, users
from sessionkeeper.stores import codec

_COLUMNS = (
    ("id", 11),
    ("state", 7),
    ("last_seen", 17),
    ("ends", 17),
    ("ip_address", 15),
    ("user", 20),
    ("user_agent", 40),
)


def heading() -> str:
    """Return the first line of a list."""
    return "  ".join(name.replace("_", " ").upper().ljust(width) for name, width in _COLUMNS).rstrip()


def line(record: SessionRecord, name: str | None, now: datetime) -> str:
    """Return one line of a list; what is too long for its column is cut."""
    end = ends_at(record)
    values = {
        "id": keys.encode_id(record.id),
        "state": state(record, now),
        "last_seen": _minute(record.last_seen_at),
        "ends": _minute(end),
        "ip_address": record.ip_address or "-",
        "user": user_text(record, name),
        "user_agent": record.user_agent,
    }
    return "  ".join(_cut(_one_line(values[name]), width) for name, width in _COLUMNS).rstrip()


def as_dict(record: SessionRecord, name: str | None, now: datetime) -> dict[str, Any]:
    """Return everything that may be told about a session, ready for JSON."""
    key = users.key_as_json(record.user_id)
    user = None if key is None else {"id": key, "username": name}
    told = registry.as_dict(record, state=state(record, now), user=user)
    return {**told, "data_keys": _data_keys(record)}


def page(record: SessionRecord, name: str | None, now: datetime) -> list[str]:
    """Return the same as lines of text."""
    values = {**as_dict(record, name, now), "user": user_text(record, name)}
    lines = []
    for key, value in values.items():
        text = ", ".join(value) if isinstance(value, list) else value
        lines.append(f"{key.replace('_', ' '):<17} {_one_line(str(text or '-'))}")
    return lines


def state(record: SessionRecord, now: datetime) -> str:
    """Return ``live`` or ``expired``."""
    return "live" if policy.is_live(record, now) else "expired"


def ends_at(record: SessionRecord) -> datetime:
    """Return when the session ends if nobody uses it again."""
    return policy.end_of(record.last_seen_at, record.expires_at, record.idle_seconds)


def user_text(record: SessionRecord, name: str | None) -> str:
    """Return the user's name, or what there is instead."""
    if record.user_id is None:
        return "(anonymous)"
    return f"(deleted user {record.user_id})" if name is None else name


def _data_keys(record: SessionRecord) -> list[str]:
    try:
        return sorted(codec.decode(record.data))
    except CorruptPayload:
        return ["(cannot be read)"]


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _one_line(text: str) -> str:
    """Leave out control characters: names come from users, and must not steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
