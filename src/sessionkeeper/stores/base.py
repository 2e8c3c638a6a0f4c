"""The store contract. One suite, ``tests/contract``, holds every store to it.

For every operation: an outage (no connection, a lock or a statement that timed out) raises
``StoreUnavailable`` and says nothing about the session. Absent and revoked are the same. Stores know
neither HTTP nor policy: they return expired sessions too, and the caller decides by ``Lookup.now``.

A ``secret_hash`` proves the caller if it is the session's secret now, or the one before its last renewal
(``previous_hash``): whether that one is still good is the caller's to decide, when it reads the record.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.records import Expired, Lookup, NewSession, Revoked, SessionPatch, SessionRecord


class Store(Protocol):
    """Where sessions live. Safe to share between threads."""

    @property
    def alias(self) -> str | None:
        """The database that holds the sessions; None: they are outside of Django's databases."""

    @property
    def waits_in_loop(self) -> bool:
        """Whether its operations, run by ``greenlet_spawn``, wait in the event loop and never block it."""

    @property
    def patience(self) -> float:
        """Seconds after which an operation that is not answered counts as one that waits."""

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """Return the session in one round trip, or None when it is absent.

        With ``principal`` the user comes with it where the store can join.
        Reads go to the writer, so a revocation that returned is always seen.
        """

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """Store a new session. Raise ``IdTaken``, and write nothing, when the id exists.

        Return the session as it is stored now, and the ids of those that made room for it. With ``new.limit``
        the user's other live sessions of its transport are counted in the same atomic step, so that parallel
        sign-ins cannot pass it: the oldest by authentication time (by id, where equal) are ended; or
        ``TooManySessions`` is raised and nothing written. With ``new.past`` the session is stored as it was
        then.
        """

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """Write only the changed keys into what the store has now, and count it as use.

        Return what ``insert`` returns. Never creates: raise ``SessionGone`` when absent, ``StaleSession``
        when the secret was rotated. Other keys that others wrote meanwhile stay; of writers of one key the
        last wins. ``seen`` is the record that the caller read, a hint that may save a read. ``changes.limit``
        as for ``insert``, for the user in ``changes.facts``.
        """

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """Replace secret and family in one write; the old secret is dead when this returns.

        Never creates: raise ``SessionGone`` or ``StaleSession`` as ``merge`` does.
        """

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes) -> bool:
        """Replace the secret ``secret_hash``, keep it as the one before, and count it as use.

        Return whether ``new_secret`` is the secret now and no touch has come with it: so too when the same
        renewal was made before. Else False, and nothing is written.
        """

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """Record use now, and the first touch with a renewed secret in ``previous_at``.

        Return False, and write nothing, when absent or rotated.
        """

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        """End a session for good; with ``secret_hash`` only if that proves the caller.

        Idempotent: return what was ended, or None when there was nothing to end.
        """

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        """End all sessions of a user, but the one with id ``except_``. Return those that were ended."""

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        """End these sessions, at most a few hundred at a time. Return those that were there."""

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """Return a user's sessions, newest first, from the id ``newest`` down. No live one is ever missing.

        With ``limit`` at most so many; fewer are the last ones. No others are read then.
        """

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """Return up to ``limit`` sessions of anybody, newest first, from the id ``newest`` down."""

    def purge(self, limit: int, after: int = 0) -> tuple[list[Expired], int | None]:
        """Look at the next ``limit`` sessions with an id above ``after`` and remove the expired.

        Return those that were removed and the id to go on after, or None at the end.
        """

    def count(self) -> int:
        """Return how many sessions are stored, expired ones included."""

    def user_changed(self, user_id: Any) -> None:
        """Drop what is kept of a user outside of the database; None: it is not known whose."""
