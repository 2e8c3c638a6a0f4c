"""What a store holds of a session, and what became of it in a request."""

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
    """Return when a session ends if nobody uses it again; None without an idle timeout."""
    if idle_seconds is None:
        return None
    try:
        return last_seen_at + timedelta(seconds=idle_seconds)
    except OverflowError:
        return None


class SessionRecord(NamedTuple):
    """One session as the store has it. Times are aware; ``data`` is JSON text, opened by the codec.

    ``previous_hash`` is the secret before the last renewal, ``previous_at`` when the one of now was first
    seen: both None after a rotation.
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
        """Leave out hashes and data: a log line must not hold them."""
        return f"<SessionRecord {self.id} user={self.user_id!r} version={self.version}>"

    def as_dict(self, **more: Any) -> dict[str, Any]:
        """Return what owners and operators may be told of the session, ready for JSON: no hash and no data.

        ``more`` stands after the id.
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
        now: the store's own clock at that moment.
        principal: the user, where the store could join; None: Django has to be asked.
        snapshot: what the user was made of (``Snapshot``), where it is known.
        key: the key that opened the session.
        data: the session's data; of a session that was remembered, only who signed in.
        read_at: when a session that was remembered was read, by the store's clock; else None.
        is_stale: whether something was written since, so that the record is not what the store has now.
        is_written: whether this request wrote the record, which a rollback may undo.
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
    """How many live sessions of one transport a user may have, and whether the oldest make room."""

    most: int
    end_oldest: bool = True
    transport: str = COOKIE


class SessionTimestamps(NamedTuple):
    """What a restored session brings along: aware times, and the secret before its last renewal."""

    created_at: datetime
    authenticated_at: datetime | None
    last_seen_at: datetime
    previous_hash: bytes | None = None
    previous_at: datetime | None = None


class NewSession(NamedTuple):
    """What ``Store.insert`` needs. ``lifetime`` is counted from the store's clock, or an aware moment.

    A session that is restored has a ``past``, which counts instead of ``authenticated`` and of that clock.
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
        """Return the past of the session if it is stored now; ``now`` may be what a database makes of it."""
        return self.past or SessionTimestamps(now, now if self.authenticated else None, now)

    def record_at(self, now: Any, namespace: str = "") -> SessionRecord:
        """Return the session as it is stored now; ``now`` may be what a database makes of it."""
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
    """What ``Store.merge`` writes into a session. Fields left at their default are not touched.

    ``patch`` is JSON text of the keys to set, ``deleted`` names the keys to drop; with ``replace`` the
    patch is all that remains. ``facts`` sets columns: user_id, idle_seconds, ip_address, user_agent,
    label, amr. ``lifetime`` moves the absolute expiry; ``authenticated`` sets the authentication time
    to now. ``limit`` holds for the user in ``facts``.
    """

    patch: str = "{}"
    deleted: tuple[str, ...] = ()
    replace: bool = False
    facts: dict[str, Any] = {}
    lifetime: timedelta | datetime | None = None
    authenticated: bool = False
    limit: SessionLimit | None = None


class Revoked(NamedTuple):
    """A session that was revoked, and whose it was; ``user_id`` is None for a visitor's."""

    id: int
    user_id: Any


class Expired(NamedTuple):
    """A session that a purge removed: whose it was, and when it ended."""

    id: int
    user_id: Any
    ended_at: datetime


class KeyStatus(Enum):
    """What a presented key turned out to be."""

    LIVE = "live"
    MALFORMED = "malformed"
    GONE = "gone"
    STALE = "stale"
    COPIED = "copied"


class SessionStatus(Enum):
    """What the response has to do about the session, decided once."""

    UNUSED = "unused"
    CLEAN = "clean"
    MODIFIED = "modified"
    DESTROYED = "destroyed"
