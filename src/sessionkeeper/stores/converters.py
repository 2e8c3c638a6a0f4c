"""What becomes of a column's value: functions as Django's converters are, with less around them."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def as_text(value: Any, expression: Any = None, connection: Any = None) -> str:
    """Return JSON as the text that it is."""
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")


def as_time(value: Any, expression: Any = None, connection: Any = None) -> datetime | None:
    """Return the time in a text; None for what is no time, as Django's converter has it."""
    try:
        return None if value is None else datetime.fromisoformat(value)
    except ValueError:
        return None


def as_bytes(value: Any, expression: Any = None, connection: Any = None) -> bytes | None:
    """Return what drivers wrap in a memoryview."""
    return value if value is None or isinstance(value, bytes) else bytes(value)
