"""The store contract, which ``tests/contract`` tests for every store.

Every operation raises ``StoreUnavailable`` in an outage (no connection, a lock or a statement that timed
out), which says nothing about the session. Absent and revoked are the same. Stores know neither HTTP nor
policy: they return expired sessions too, and the caller decides by ``Lookup.now``.

A ``secret_hash`` proves the caller if it is the session's current secret, or the one before its last renewal
(``previous_hash``). The caller decides whether that one is still valid when it reads the record.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.records import Lookup, NewSession, Purged, Revoked, SessionPatch, SessionRecord


class Store(Protocol):
    """Stores sessions. Safe to share between threads."""

    @property
    def alias(self) -> str | None:
        """The database that holds the sessions; None for a store outside of Django's databases."""

    @property
    def waits_in_loop(self) -> bool:
        """Whether operations that ``greenlet_spawn`` runs wait in the event loop and never block it."""

    @property
    def patience(self) -> float:
        """Seconds after which an unanswered operation counts as waiting."""

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """Return the session, or None when it is absent, in one round trip.

        With ``principal`` also its user, where the store can join. Reads use the writer, so that they see
        every revocation that has returned.
        """

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """Store a new session. Raises ``IdTaken``, and writes nothing, when the id exists.

        Returns the session as stored, and the ids of the sessions that were ended for it. With ``new.limit``
        the user's other live sessions of its transport are counted in the same atomic step, so that parallel
        sign-ins cannot exceed it: the oldest by authentication time (then by id) are ended, or
        ``TooManySessions`` is raised and nothing is written. With ``new.past`` the session keeps those times.
        """

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """Write only the changed keys into the current data, and record use.

        Returns what ``insert`` returns. Never creates: raises ``SessionGone`` when absent, ``StaleSession``
        when the secret was rotated. Keys that others wrote meanwhile are kept; for the same key the last
        writer wins. ``seen`` is the record that the caller read, a hint that may save a read.
        ``changes.limit`` is as for ``insert``, for the user in ``changes.facts``.
        """

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """Replace secret and family in one write; the old secret is invalid when this returns.

        Never creates: raises ``SessionGone`` or ``StaleSession`` as ``merge`` does.
        """

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes, family: bytes) -> bool:
        """Replace the secret ``secret_hash``, keep it as the previous one, and record use.

        ``family`` is the hash of the same family as before, perhaps with another server key.
        Returns whether ``new_secret`` is now the secret and unused by any touch, also when the same renewal
        was made before. Otherwise returns False, and writes nothing.
        """

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """Record use, and the first touch with a renewed secret in ``previous_at``.

        Returns False, and writes nothing, when absent or rotated.
        """

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        """End a session; with ``secret_hash`` only if it proves the caller.

        Idempotent: returns what was ended, or None when there was nothing to end.
        """

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        """End all sessions of a user except the one with id ``except_``. Returns those that were ended."""

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        """End these sessions, at most a few hundred. Returns those that existed."""

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """Return a user's sessions, newest first, from the id ``newest`` down. No live session is missing.

        With ``limit`` at most that many, and no others are read; fewer are the last ones.
        """

    def find_many(self, session_ids: Collection[int]) -> list[SessionRecord]:
        """Return those of these sessions that exist, at most a few hundred, in any order."""

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """Return up to ``limit`` sessions of all users, newest first, from the id ``newest`` down."""

    def purge(self, limit: int, after: int = 0) -> Purged:
        """Check the next ``limit`` sessions with an id above ``after``, and remove the expired ones."""

    def count(self) -> int:
        """Return the number of stored sessions, including expired ones."""

    def user_changed(self, user_id: Any) -> None:
        """Drop what is cached of a user outside of the database; None: an unknown user."""
