"""What becomes of a column's value: functions as Django's converters are, with less around them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone


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


def aware(value: datetime) -> datetime:
    """Return an aware datetime; naive ones (``USE_TZ = False``) are in the default time zone."""
    return timezone.make_aware(value) if timezone.is_naive(value) else value
