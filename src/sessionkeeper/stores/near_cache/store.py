"""The near cache: a process's own cache of the users whom its sessions authenticate.

It wraps a store and is a store. ``find`` reads the store and fills the cache; ``recall`` answers from memory,
but only while the channel is trusted, over which all processes announce what ended or changed. It keeps the
signed-in user of a session, never the session's other data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import Lookup, NewSession, Revoked, SessionPatch, SessionRecord
from sessionkeeper.stores import codec
from sessionkeeper.stores.base import Store
from sessionkeeper.stores.near_cache.channel import Channel
from sessionkeeper.stores.near_cache.entries import ALL, Counters, Entries, Entry, Ticket, of_session, of_user

#: Prefixes of session data that names the user, and what the session is restricted to.
IDENTITY = ("_auth_user_", "_sessionkeeper_")


class NearCacheStore:
    """A :class:`~sessionkeeper.stores.base.Store` in front of another one. Safe under threads and after fork.

    Args:
        store: the store behind the cache.
        channel: announces changes to other processes, and receives theirs.
        options: the limits.
        clock: a monotonic clock in seconds; for tests.
    """

    def __init__(
        self,
        store: Store,
        channel: Channel,
        options: NearCache,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entries = Entries(options)
        self._store = store
        self._channel = channel
        self._clock = clock
        channel.subscribe(self._receive)
        self.waits_in_loop, self.patience = store.waits_in_loop, store.patience
        # Not cached. A purge is not announced: the entry of an expired session admits nobody.
        self.list_for, self.find_many, self.scan = store.list_for, store.find_many, store.scan
        self.count, self.purge = store.count, store.purge

    @property
    def counters(self) -> Counters:
        """What this process's near cache has counted; made for metrics."""
        return self.entries.counters

    @property
    def alias(self) -> str | None:
        return self._store.alias

    def is_on(self) -> bool:
        """Whether it may answer now: its channel is trusted. False for a moment after the process started."""
        return self._channel.is_trusted()

    # Reading

    def recall(self, session_id: int) -> Lookup | None:
        """Return the cached session without any I/O; None: read the store."""
        if not self.is_on():
            self.counters.distrusted += 1
            return None
        clock, here = self._clock(), namespaces.at_hand()
        entry = None if here is None else self.entries.get(session_id, self._channel.epoch, clock, here)
        user = entry.snapshot.user() if entry is not None and self._is_cacheable() else None
        if entry is None or user is None:
            self.counters.misses += 1
            return None
        self.counters.hits += 1
        now = entry.now + timedelta(seconds=clock - entry.read_at)
        return Lookup(
            entry.record,
            now,
            user,
            entry.snapshot,
            data=dict(entry.identity),
            read_at=entry.now,
            is_stale=True,
        )

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """Reads the store, and fills the cache with the user."""
        if not principal:
            return self._store.find(session_id)
        epoch, here = self._channel.epoch, namespaces.active()
        ticket = self.entries.begin(epoch, self._clock()) if epoch and self._is_cacheable() else None
        found = self._store.find(session_id, principal=True)
        if ticket is not None and found is not None and found.snapshot is not None:
            self._fill(ticket, found, here)
        return found

    def _fill(self, ticket: Ticket, found: Lookup, namespace: str) -> None:
        try:
            data = codec.decode(found.record.data)
        except CorruptPayload:
            return
        entry = Entry(
            found.record._replace(data="{}"),
            found.now,
            found.snapshot.detached(),  # before the caller can change the user that was made of it
            {name: value for name, value in data.items() if name.startswith(IDENTITY)},
            ticket.began_at,
            ticket.epoch,
            namespace,
            namespaces.of_users(),
        )
        # What a transaction reads may be its own writes, which may never be committed.
        self._channel.after_commit(lambda: self.entries.fill(ticket, entry, self._channel.epoch))

    def _is_cacheable(self) -> bool:
        # A database router may send this request's sessions to another database than the channel's.
        return self._store.alias == self._channel.alias and self._channel.reads_committed()

    # Writing

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """No process has cached the new session, but older sessions may end."""
        if new.limit is None:
            return self._store.insert(new)
        with self._changing(of_user(new.user_id)):
            return self._store.insert(new)

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """Announces only changes of what is cached: the user, and how long."""
        messages = [of_session(session_id)]
        if changes.limit is not None:
            messages.append(of_user(changes.facts.get("user_id")))
        with self._changing(*messages, announced=_changes_entry(changes)):
            return self._store.merge(session_id, secret_hash, changes, seen)

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        with self._changing(of_session(session_id)):
            self._store.rotate(session_id, secret_hash, new_secret, new_family)

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes, family: bytes) -> bool:
        with self._changing(of_session(session_id)):
            return self._store.renew(session_id, secret_hash, new_secret, family)

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """Not announced: other processes read the store before they touch or time out."""
        with self._changing(of_session(session_id), announced=False):
            return self._store.touch(session_id, secret_hash)

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        with self._changing(of_session(session_id)):
            return self._store.revoke(session_id, secret_hash)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        with self._changing(of_user(user_id)):
            return self._store.revoke_all(user_id, except_)

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        with self._changing(*map(of_session, session_ids)):
            return self._store.revoke_many(session_ids)

    # Dropping

    def user_changed(self, user_id: Any) -> None:
        """Drop a user's sessions from the caches of all processes; None: all sessions."""
        message = ALL if user_id is None else of_user(user_id)
        self._store.user_changed(user_id)
        with self._changing(message, announced=False):
            self._channel.publish(message)

    @contextmanager
    def _changing(self, *messages: str, announced: bool = True) -> Iterator[None]:
        """Drop after the write, and again after its transaction: until then other reads see the old state."""
        try:
            with self._channel.announcing() if announced else nullcontext():
                yield
        finally:
            self.entries.drop(messages)
            self._channel.after_commit(lambda: self.entries.drop(messages))

    def _receive(self, message: str) -> None:
        self.entries.drop([message if message.startswith(("s:", "u:")) else ALL])

    def close(self) -> None:
        """Close the channel; from then on the store answers."""
        self._channel.close()


def _changes_entry(changes: SessionPatch) -> bool:
    return bool(
        changes.replace
        or changes.facts
        or changes.lifetime is not None
        or changes.authenticated
        or any(f'"{prefix}' in changes.patch for prefix in IDENTITY)
        or any(name.startswith(IDENTITY) for name in changes.deleted)
    )
