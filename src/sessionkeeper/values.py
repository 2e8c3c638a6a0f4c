"""Reads single values of the settings: durations, numbers, switches. A wrong one is a ValueError."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sessionkeeper import policy

#: What every database's integers and calendars hold.
LONGEST = timedelta(days=50 * 365)
_MOST = 1_000_000


def duration(value: Any) -> timedelta:
    """Return a duration longer than nothing."""
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        duration = timedelta(seconds=value)
    else:
        raise ValueError(f"must be a timedelta or a number of seconds, not {value!r}")
    if duration <= timedelta(0):
        raise ValueError(f"must be longer than nothing, not {value!r}")
    if duration > LONGEST:
        raise ValueError(f"must be shorter than {LONGEST.days // 365} years, not {value!r}")
    return duration


def count(value: Any) -> int:
    """Return a whole number from 1."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ValueError(f"must be a whole number from 1 to {_MOST:,}, not {value!r}")


def tries(value: Any) -> int:
    """Return a number of failures that a lockout may wait for."""
    if count(value) <= policy.MOST_FAILURES:
        return int(value)
    raise ValueError(f"must be at most {policy.MOST_FAILURES} (NIST SP 800-63B-4, 3.2.2), not {value!r}")


def number(value: Any) -> int:
    """Return a whole number above 0."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"must be a whole number above 0, not {value!r}")


def switch(value: Any) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be True or False, not {value!r}")
