"""Text that is safe to store, to print on a terminal, and to send as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def is_storable(text: str) -> bool:
    """Return whether every database stores this text unchanged: it has no NUL and no lone surrogates."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))


def printable(text: str, instead: str = " ") -> str:
    """Return ``text`` on one line, without characters that control a terminal or forge a log line."""
    return "".join(char if char.isprintable() else instead for char in text)


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time in UTC for JSON, as ``2026-01-31T12:00:00Z``."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def json_key(pk: Any) -> int | str | None:
    """Return a primary key for JSON: a number, or the text of anything else."""
    return pk if pk is None or isinstance(pk, int) else str(pk)
