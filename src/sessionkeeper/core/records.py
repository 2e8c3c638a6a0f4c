"""What a store holds of a session, and what a request does with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, NamedTuple

from sessionkeeper.core import keys
from sessionkeeper.core.keys import Key
from sessionkeeper.core.text import rfc3339

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


class Expired(NamedTuple):
    """A session that a purge removed, its user, and when it ended."""

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
