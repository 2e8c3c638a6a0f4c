"""Lifetimes: when a session has ended, when it is worth a touch. Pure: the caller brings ``now``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sessionkeeper.record import SessionRecord

DEFAULT_ABSOLUTE: Final = timedelta(days=30)
#: Longest life of a session in which nobody signed in.
ANONYMOUS_ABSOLUTE: Final = timedelta(days=14)
LONGEST_TOUCH_INTERVAL: Final = timedelta(minutes=5)
REAUTHENTICATE_AFTER: Final = timedelta(minutes=15)


class Preset(NamedTuple):
    """Times of one authenticator assurance level. ``idle`` None: no idle timeout."""

    idle: timedelta | None
    absolute: timedelta


#: NIST SP 800-63B-4, sections 2.1.3, 2.2.3 and 2.3.3: times only, no claim about authenticators.
PRESETS: Final[dict[str, Preset]] = {
    "aal1": Preset(None, timedelta(days=30)),
    "aal2": Preset(timedelta(hours=1), timedelta(hours=24)),
    "aal3": Preset(timedelta(minutes=15), timedelta(hours=12)),
}


def idle_end(last_seen_at: datetime, idle_seconds: int | None) -> datetime | None:
    """Return when a session ends if nobody uses it again; None without an idle timeout."""
    if idle_seconds is None:
        return None
    try:
        return last_seen_at + timedelta(seconds=idle_seconds)
    except OverflowError:
        return None


def has_ended(now: datetime, last_seen_at: datetime, expires_at: datetime, idle_seconds: int | None) -> bool:
    """Whether one of the two limits is over. The moment of expiry itself is over."""
    if expires_at <= now:
        return True
    end = idle_end(last_seen_at, idle_seconds)
    return end is not None and end <= now


def is_live(record: SessionRecord, now: datetime) -> bool:
    """Whether both limits of a record hold."""
    return not has_ended(now, record.last_seen_at, record.expires_at, record.idle_seconds)


def touch_interval(idle_seconds: int | None, configured: timedelta | None) -> timedelta:
    """Return the shortest time between two touches: a twentieth of the idle timeout, at most 5 minutes."""
    if configured is not None:
        return configured
    if idle_seconds is None:
        return LONGEST_TOUCH_INTERVAL
    return timedelta(seconds=min(max(idle_seconds, 0) / 20, LONGEST_TOUCH_INTERVAL.total_seconds()))


def touch_due(record: SessionRecord, now: datetime, configured: timedelta | None) -> bool:
    """Whether the last recorded use is a touch interval old."""
    return now - record.last_seen_at >= touch_interval(record.idle_seconds, configured)


def is_recent(authenticated_at: datetime | None, now: datetime, within: timedelta) -> bool:
    """Whether a credential was proven within this time."""
    return authenticated_at is not None and now - authenticated_at <= within
