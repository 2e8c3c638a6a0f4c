"""The options of the near cache, which limit it in each process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sessionkeeper.conf import table, validators
from sessionkeeper.conf.table import setting

#: The longest lease, which bounds how stale a change that no message announces can be.
LONGEST_LEASE = timedelta(minutes=5)


def _lease(value: Any) -> timedelta:
    return validators.duration(value, LONGEST_LEASE)


@dataclass(frozen=True, slots=True)
class NearCache:
    """The options in force."""

    entries: int = setting(10_000, validators.integer(), unit="sessions")
    """How many sessions a process remembers at most; the least recently used goes first."""
    bytes: int = setting(64 * 1024 * 1024, validators.integer(), unit="bytes", shown="67,108,864 (64 MiB)")
    """How much memory they take at most, approximately."""
    lease: timedelta = setting(timedelta(seconds=60), _lease)
    """How long a session is remembered without asking the store again; at most 5 minutes. This bounds how
    stale what no message announces can be: `QuerySet.update()` on users, raw SQL."""
    channel: str | None = setting(
        None, validators.database_alias, unit="entry of `DATABASES`", shown="the store's"
    )
    """The database to listen on, where the store's entry goes through a pooler such as PgBouncer. Not used
    with sessions in Valkey or Redis, which are listened to themselves."""


def read(value: Any) -> NearCache | None:
    """Return the options that ``NEAR_CACHE`` means; None if it is off.

    Raises:
        ValueError: the value cannot be read.
    """
    if isinstance(value, bool):
        return NearCache() if value else None
    if not isinstance(value, dict):
        raise ValueError(f"must be True, False or a dict of options, not {value!r}")
    return NearCache(**{str(key).lower(): table.read(NearCache, key, given) for key, given in value.items()})
