"""The options of the near cache: limits that hold in each process."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

#: Longest lease: it bounds what no message tells of.
LONGEST_LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NearCache:
    """The options in force.

    Attributes:
        entries: most sessions that are remembered.
        bytes: most memory that they take, about.
        lease: longest time that a session is remembered without asking the store again.
        channel: entry of ``DATABASES`` to listen on, where the store's goes through a pooler that takes
            notices away; None: the store's own.
    """

    entries: int = 10_000
    bytes: int = 64 * 1024 * 1024
    lease: timedelta = timedelta(seconds=60)
    channel: str | None = None


def read(value: Any, duration: Callable[[Any], timedelta]) -> NearCache | None:
    """Return the options that ``NEAR_CACHE`` stands for; None: it is off. ``duration`` reads a duration.

    Raises:
        ValueError: the value is none, and why.
    """
    if isinstance(value, bool):
        return NearCache() if value else None
    if not isinstance(value, dict):
        raise ValueError(f"must be True, False or a dict of options, not {value!r}")
    readers: dict[str, Callable[[Any], Any]] = {
        "ENTRIES": _number,
        "BYTES": _number,
        "LEASE": duration,
        "CHANNEL": _alias,
    }
    options: dict[str, Any] = {}
    for name, option in value.items():
        if name not in readers:
            raise ValueError(f"has an unknown option {name!r}. {did_you_mean(name, readers)}")
        try:
            options[name.lower()] = readers[name](option)
        except ValueError as error:
            raise ValueError(f"has an option {name!r} that {error}") from error
    read = NearCache(**options)
    if read.lease > LONGEST_LEASE:
        raise ValueError(
            f"has an option 'LEASE' that must be at most {LONGEST_LEASE}, not {value['LEASE']!r}"
        )
    return read


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return the name that was probably meant, or all that there are."""
    spelled = {one.upper(): one for one in known}
    close = difflib.get_close_matches(str(name).upper(), spelled, n=1)
    return f"Did you mean {spelled[close[0]]!r}?" if close else f"Known: {', '.join(known)}."


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"must be a whole number above 0, not {value!r}")


def _alias(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"must be an entry of DATABASES, not {value!r}")
