"""What a store holds of a session, when a session has ended, and when to touch or renew it.

The functions of time are pure: ``now`` is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sessionkeeper.core import keys
from sessionkeeper.core.errors import TooManySessions
from sessionkeeper.core.keys import Key
from sessionkeeper.core.moments import rfc3339

COOKIE: Final = "cookie"
BEARER: Final = "bearer"


def idle_end(last_seen_at: datetime, idle_seconds: int | None) -> datetime | None:
    """Return when a session ends if it is not used again; None without an idle timeout."""
    if idle_seconds is None:
        return None
    try:
        return last_seen_at + timedelta(seconds=idle_seconds)
    except OverflowError:
        return None


class SessionRecord(NamedTuple):
    """One session as the store has it. Times are aware; ``data`` is JSON text, which the codec decodes.

    ``previous_hash`` is of the secret before the last renewal, ``previous_at`` the first use of the current
    one. Both are None after a rotation.
    """

    id: int
    secret_hash: bytes
    family_hash: bytes
    previous_hash: bytes | None
    previous_at: datetime | None
    user_id: Any
    transport: str
    data: str
    created_at: datetime
    authenticated_at: datetime | None
    last_seen_at: datetime
    expires_at: datetime
    idle_seconds: int | None
    ip_address: str | None
    user_agent: str
    label: str
    amr: str
    version: int
    namespace: str = ""

    def __repr__(self) -> str:
        """Leave hashes and data out of logs."""
        return f"<SessionRecord {self.id} user={self.user_id!r} version={self.version}>"

    def as_dict(self, **more: Any) -> dict[str, Any]:
        """Return what owners and operators may see of the session, ready for JSON: no hashes and no data.

        ``more`` is inserted after the id.
        """
        return {
            "id": keys.encode_id(self.id),
            **more,
            "transport": self.transport,
            "label": self.label,
            "created_at": rfc3339(self.created_at),
            "authenticated_at": rfc3339(self.authenticated_at),
            "last_seen_at": rfc3339(self.last_seen_at),
            "idle_expires_at": rfc3339(idle_end(self.last_seen_at, self.idle_seconds)),
            "expires_at": rfc3339(self.expires_at),
            "amr": self.amr.split(),
            "ip_address": self.ip_address,
            "user_agent": self.user_agent,
        }


class Lookup(NamedTuple):
    """A session on its way from the store to the request.

    Attributes:
        record: the session as it was read, or as it was written.
        now: the time of that, by the store's clock.
        principal: the user, if the store could join; None if Django has to be asked.
        snapshot: the ``Snapshot`` of the user, if known.
        key: the key that opened the session.
        data: the session's data; from the near cache, only what names the user.
        read_at: when a session from the near cache was read, by the store's clock; else None.
        is_stale: whether something was written since, so that the record is no longer the stored one.
        is_written: whether this request wrote the record, which a rollback may still undo.
    """

    record: SessionRecord
    now: datetime
    principal: Any = None
    snapshot: Any = None
    key: Key | None = None
    data: dict[str, Any] = {}
    read_at: datetime | None = None
    is_stale: bool = False
    is_written: bool = False


class SessionLimit(NamedTuple):
    """How many live sessions of one transport a user may have, and whether to end the oldest."""

    most: int
    end_oldest: bool = True
    transport: str = COOKIE


class SessionTimestamps(NamedTuple):
    """The times of a restored session, which are aware, and the secret before its last renewal."""

    created_at: datetime
    authenticated_at: datetime | None
    last_seen_at: datetime
    previous_hash: bytes | None = None
    previous_at: datetime | None = None


class NewSession(NamedTuple):
    """What ``Store.insert`` needs. ``lifetime`` is a duration by the store's clock, or an aware moment.

    A restored session has a ``past``, which replaces ``authenticated`` and that clock.
    """

    id: int
    secret_hash: bytes
    family_hash: bytes
    lifetime: timedelta | datetime
    idle_seconds: int | None
    data: str = "{}"
    user_id: Any = None
    authenticated: bool = False
    transport: str = COOKIE
    ip_address: str | None = None
    user_agent: str = ""
    label: str = ""
    amr: str = ""
    limit: SessionLimit | None = None
    past: SessionTimestamps | None = None

    def past_at(self, now: Any) -> SessionTimestamps:
        """Return the times of the session if it is stored at ``now``, which may be an SQL expression."""
        return self.past or SessionTimestamps(now, now if self.authenticated else None, now)

    def record_at(self, now: Any, namespace: str = "") -> SessionRecord:
        """Return the session as it is stored at ``now``, which may be an SQL expression."""
        return SessionRecord(
            id=self.id,
            secret_hash=self.secret_hash,
            family_hash=self.family_hash,
            user_id=self.user_id,
            transport=self.transport,
            data=self.data,
            expires_at=self.lifetime if isinstance(self.lifetime, datetime) else now + self.lifetime,
            idle_seconds=self.idle_seconds,
            ip_address=self.ip_address,
            user_agent=self.user_agent,
            label=self.label,
            amr=self.amr,
            version=0,
            namespace=namespace,
            **self.past_at(now)._asdict(),
        )


class SessionPatch(NamedTuple):
    """What ``Store.merge`` writes into a session. Fields with their default are not written.

    ``patch`` is JSON text of the keys to set, ``deleted`` names the keys to drop; with ``replace`` the
    patch replaces all data. ``facts`` sets columns: user_id, idle_seconds, ip_address, user_agent,
    label, amr. ``lifetime`` sets the absolute expiry; ``authenticated`` sets the authentication time
    to now. ``limit`` is that of the user in ``facts``.
    """

    patch: str = "{}"
    deleted: tuple[str, ...] = ()
    replace: bool = False
    facts: dict[str, Any] = {}
    lifetime: timedelta | datetime | None = None
    authenticated: bool = False
    limit: SessionLimit | None = None


class Revoked(NamedTuple):
    """A session that was revoked; ``user_id`` is None for an anonymous one."""

    id: int
    user_id: Any


class Purged(NamedTuple):
    """What a step of a purge removed, in how many somebody was signed in, and where to go on.

    ``after`` is an id for the next step; None at the end.
    """

    sessions: int
    of_users: int
    after: int | None


class Expired(NamedTuple):
    """A session that has expired, its user, and when it ended."""

    id: int
    user_id: Any
    ended_at: datetime


class KeyStatus(Enum):
    """The status of a presented key."""

    LIVE = "live"
    MALFORMED = "malformed"
    GONE = "gone"
    STALE = "stale"
    COPIED = "copied"


class SessionStatus(Enum):
    """What the response has to do about the session."""

    UNUSED = "unused"
    CLEAN = "clean"
    MODIFIED = "modified"
    DESTROYED = "destroyed"


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
#: How many live bearer tokens a user may have where the site does not say so.
MOST_TOKENS: Final = 100
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
    """Return what the audit trail records of a session that has expired."""
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


def is_storable(text: str) -> bool:
    """Return whether every database stores this text unchanged: it has no NUL and no lone surrogates."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))


def printable(text: str, instead: str = " ") -> str:
    """Return ``text`` on one line, without characters that control a terminal or forge a log line."""
    return "".join(char if char.isprintable() else instead for char in text)
