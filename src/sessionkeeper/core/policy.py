"""Policy: when a session has ended, and when to touch or renew it. Pure functions of ``now``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sessionkeeper.core.errors import TooManySessions
from sessionkeeper.core.records import Expired, SessionLimit, SessionRecord, idle_end

DEFAULT_ABSOLUTE: Final = timedelta(days=30)
#: Absolute timeout of an anonymous session.
ANONYMOUS_ABSOLUTE: Final = timedelta(days=14)
#: Largest anonymous session, in characters of JSON.
ANONYMOUS_LARGEST: Final = 64 * 1024
LONGEST_TOUCH_INTERVAL: Final = timedelta(minutes=5)
REAUTHENTICATE_AFTER: Final = timedelta(minutes=15)
#: How long a secret is accepted after the first use of the next one, for requests already sent.
ROTATE_OVERLAP: Final = timedelta(minutes=1)
#: Failures in a row after which an account stays locked until it is unlocked (NIST SP 800-63B-4, 3.2.2).
MOST_FAILURES: Final = 100
_SECOND = timedelta(seconds=1)

#: Authentication methods by kind of factor: something known, had, inherent.
_FACTORS: Final = (
    frozenset({"pwd", "pin", "kba"}),
    frozenset({"otp", "hwk", "swk", "sc", "sms", "tel", "pop"}),
    frozenset({"face", "fpt", "iris", "retina", "vbm"}),
)


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


def is_live(record: SessionRecord, now: datetime) -> bool:
    """Return whether neither timeout of a record has passed. At the moment of expiry, it has."""
    idle = record.idle_seconds
    return now < record.expires_at and (idle is None or (now - record.last_seen_at) // _SECOND < idle)


def end_of(last_seen_at: datetime, expires_at: datetime, idle_seconds: int | None) -> datetime:
    """Return when a session ends if it is not used again."""
    idle = idle_end(last_seen_at, idle_seconds)
    return expires_at if idle is None else min(idle, expires_at)


def expired(record: SessionRecord) -> Expired:
    """Return what a purge returns of a session that it removed."""
    end = end_of(record.last_seen_at, record.expires_at, record.idle_seconds)
    return Expired(record.id, record.user_id, end)


@lru_cache(maxsize=64)
def touch_interval(idle_seconds: int | None, configured: timedelta | None) -> timedelta:
    """Return the shortest time between two touches: a twentieth of the idle timeout, at most 5 minutes."""
    if configured is not None:
        return configured
    if idle_seconds is None:
        return LONGEST_TOUCH_INTERVAL
    return timedelta(seconds=min(max(idle_seconds, 0) / 20, LONGEST_TOUCH_INTERVAL.total_seconds()))


def touch_due(record: SessionRecord, now: datetime, configured: timedelta | None) -> bool:
    """Return whether the last recorded use is a touch interval old."""
    return now - record.last_seen_at >= touch_interval(record.idle_seconds, configured)


def renewal_due(record: SessionRecord, now: datetime, after: timedelta | None) -> bool:
    """Return whether the secret of a session is older than ``after``. With None, secrets are not renewed."""
    if after is None or awaits_first_use(record):
        return False
    began_at = record.previous_at or record.authenticated_at or record.created_at
    return now - began_at >= after


def awaits_first_use(record: SessionRecord) -> bool:
    """Return whether the renewed secret has not been used yet, so that the previous one is still valid."""
    return record.previous_hash is not None and record.previous_at is None


def previous_is_good(record: SessionRecord, now: datetime, overlap: timedelta) -> bool:
    """Return whether the secret before the last renewal is still valid."""
    if record.previous_hash is None:
        return False
    return record.previous_at is None or now - record.previous_at < overlap


def to_end(
    records: Iterable[SessionRecord],
    limit: SessionLimit,
    session_id: int,
    user_id: Any,
    now: datetime,
) -> list[int]:
    """Return the sessions that must end so that ``session_id`` fits under the user's limit, oldest first.

    Raises:
        TooManySessions: no other session may be ended.
    """
    others = [
        record
        for record in records
        if record.user_id == user_id
        and record.id != session_id
        and record.transport == limit.transport
        and is_live(record, now)
    ]
    excess = len(others) + 1 - limit.most
    if excess <= 0 or user_id is None:
        return []
    if not limit.end_oldest:
        raise TooManySessions
    others.sort(key=lambda record: (record.authenticated_at or record.created_at, record.id))
    return [record.id for record in others[:excess]]


def level_of(amr: str) -> int:
    """Return how many kinds of factors these methods (RFC 8176, separated by spaces) prove, at most 2.

    The kinds are something you know, have, or are. Two methods of one kind are one factor, and an unknown
    method is none.
    """
    methods = set(amr.split())
    return 2 if "mfa" in methods else min(2, sum(bool(methods & kind) for kind in _FACTORS))


def is_recent(authenticated_at: datetime | None, now: datetime, within: timedelta) -> bool:
    """Return whether a credential was proved within this time."""
    return authenticated_at is not None and now - authenticated_at <= within
