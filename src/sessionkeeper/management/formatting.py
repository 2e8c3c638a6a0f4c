"""Formats sessions for the command line, without hashes and without the values of their data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sessionkeeper.core import keys, records
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import SessionRecord, printable
from sessionkeeper.stores import codec
from sessionkeeper.stores.codec import json_key

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
    """Return one line of a list. Values are truncated to the width of their column."""
    end = records.end_of(record.last_seen_at, record.expires_at, record.idle_seconds)
    values = {
        "id": keys.encode_id(record.id),
        "state": state(record, now),
        "last_seen": _minute(record.last_seen_at),
        "ends": _minute(end),
        "ip_address": record.ip_address or "-",
        "user": user_text(record, name),
        "user_agent": record.user_agent,
    }
    return "  ".join(_cut(printable(values[name], "?"), width) for name, width in _COLUMNS).rstrip()


def as_dict(record: SessionRecord, name: str | None, now: datetime) -> dict[str, Any]:
    """Return everything about a session that may be shown, ready for JSON."""
    key = json_key(record.user_id)
    user = None if key is None else {"id": key, "username": name}
    return {**record.as_dict(state=state(record, now), user=user), "data_keys": _data_keys(record)}


def page(record: SessionRecord, name: str | None, now: datetime) -> list[str]:
    """Return the same as lines of text."""
    values = {**as_dict(record, name, now), "user": user_text(record, name)}
    lines = []
    for key, value in values.items():
        text = ", ".join(value) if isinstance(value, list) else value
        lines.append(f"{key.replace('_', ' '):<17} {printable(str(text or '-'), '?')}")
    return lines


def state(record: SessionRecord, now: datetime) -> str:
    """Return ``live`` or ``expired``."""
    return "live" if records.is_live(record, now) else "expired"


def user_text(record: SessionRecord, name: str | None) -> str:
    """Return the user's name, or a text in parentheses if there is none."""
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


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
