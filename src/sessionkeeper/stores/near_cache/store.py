"""The near cache: a process's own copy of who its sessions authenticate, kept right by push.

It wraps a store and is a store. ``find`` reads the store and remembers; ``recall`` answers from
memory, and only while the channel, over which all processes tell each other what ended or changed, is proven
alive. What it remembers of a session is who signed in, never its other data.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any
from weakref import WeakSet

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.records import Expired, Lookup, NewSession, Revoked, SessionPatch, SessionRecord
from sessionkeeper.stores import codec
from sessionkeeper.stores.base import Store
from sessionkeeper.stores.near_cache.channel import Channel
from sessionkeeper.stores.near_cache.entries import ALL, Counters, Entries, Entry, Ticket, of_session, of_user

#: Names in the session data that say who signed in, and what the session is restricted to.
IDENTITY = ("_auth_user_", "_sessionkeeper_")


class NearCacheStore:
    """A :class:`~sessionkeeper.stores.base.Store` in front of another one. Safe under threads and after fork.

    Args:
        store: the store that is right.
        channel: tells of changes by others.
        options: the limits.
        clock: seconds that only grow; for tests.
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
        _all.add(self)
        channel.subscribe(self._receive)

    @property
    def counters(self) -> Counters:
        """What this process's near cache has done; read it for a metric."""
        return self.entries.counters

    @property
    def alias(self) -> str | None:
        """See the contract."""
        return self._store.alias

    @property
    def waits_in_loop(self) -> bool:
        """See the contract."""
        return self._store.waits_in_loop

    @property
    def patience(self) -> float:
        """See the contract."""
        return self._store.patience

    def is_on(self) -> bool:
        """Whether it may answer now: its channel works. False for a moment after the process started."""
        return self._channel.is_trusted()

    # Reading

    def recall(self, session_id: int) -> Lookup | None:
        """Return what is remembered of a session, asking nobody; None: ask the store."""
        if not self.is_on():
            self.counters.distrusted += 1
            return None
        clock, here = self._clock(), namespaces.at_hand()
        entry = None if here is None else self.entries.get(session_id, self._channel.epoch, clock, here)
        user = entry.snapshot.user() if entry is not None and self._is_usual() else None
        if entry is None or user is None:
            self.counters.misses += 1
            return None
        self.counters.hits += 1
        now = entry.now + timedelta(seconds=clock - entry.asked)
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
        """See the contract. Reads the store, and remembers whom it named."""
        if not principal:
            return self._store.find(session_id)
        epoch, here = self._channel.epoch, namespaces.active()
        ticket = self.entries.begin(epoch, self._clock()) if epoch and self._is_usual() else None
        found = self._store.find(session_id, principal=True)
        if ticket is not None and found is not None and found.snapshot is not None:
            self._remember(ticket, found, here)
        return found

    def _remember(self, ticket: Ticket, found: Lookup, namespace: str) -> None:
        try:
            data = codec.decode(found.record.data)
        except CorruptPayload:
            return
        entry = Entry(
            found.record._replace(data="{}"),
            found.now,
            found.snapshot.kept(),  # before anybody else has hold of the user that was made of it
            {name: value for name, value in data.items() if name.startswith(IDENTITY)},
            ticket.asked,
            ticket.epoch,
            namespace,
            namespaces.of_users(),
        )
        # What a transaction reads may be its own, and never be committed.
        self._channel.after_commit(lambda: self.entries.fill(ticket, entry, self._channel.epoch))

    def _is_usual(self) -> bool:
        # Database routers may send this request's sessions elsewhere than the last one's.
        return self._store.alias == self._channel.alias and self._channel.is_usual()

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._store.list_for(user_id, limit, newest)

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._store.scan(limit, newest)

    def count(self) -> int:
        """See the contract."""
        return self._store.count()

    # Writing

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """See the contract. Nobody remembers what did not exist, but older sessions may end."""
        if new.limit is None:
            return self._store.insert(new)
        with self._changing(of_user(new.user_id)):
            return self._store.insert(new)

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """See the contract. Others are told only of what they remember: who signed in, and how long."""
        messages = [of_session(session_id)]
        if changes.limit is not None:
            messages.append(of_user(changes.facts.get("user_id")))
        with self._changing(*messages, announced=_concerns_others(changes)):
            return self._store.merge(session_id, secret_hash, changes, seen)

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """See the contract."""
        with self._changing(of_session(session_id)):
            self._store.rotate(session_id, secret_hash, new_secret, new_family)

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes) -> bool:
        """See the contract."""
        with self._changing(of_session(session_id)):
            return self._store.renew(session_id, secret_hash, new_secret)

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """See the contract. Others ask the store themselves before they touch, or refuse for idleness."""
        with self._changing(of_session(session_id), announced=False):
            return self._store.touch(session_id, secret_hash)

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        """See the contract."""
        with self._changing(of_session(session_id)):
            return self._store.revoke(session_id, secret_hash)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        """See the contract."""
        with self._changing(of_user(user_id)):
            return self._store.revoke_all(user_id, except_)

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        """See the contract."""
        with self._changing(*map(of_session, session_ids)):
            return self._store.revoke_many(session_ids)

    def purge(self, limit: int, after: int = 0) -> tuple[list[Expired], int | None]:
        """See the contract. Nobody is told: what is remembered of an expired session lets nobody in."""
        return self._store.purge(limit, after)

    # Forgetting

    def user_changed(self, user_id: Any) -> None:
        """Let all processes forget a user's sessions; None: everybody's."""
        message = ALL if user_id is None else of_user(user_id)
        self._store.user_changed(user_id)
        with self._changing(message, announced=False):
            self._channel.publish(message)

    @contextmanager
    def _changing(self, *messages: str, announced: bool = True) -> Iterator[None]:
        """Forget after the write, and again after its transaction: until then others read the old."""
        try:
            with self._channel.announcing() if announced else nullcontext():
                yield
        finally:
            self.entries.drop(messages)
            self._channel.after_commit(lambda: self.entries.drop(messages))

    def _receive(self, message: str) -> None:
        self.entries.drop([message if message.startswith(("s:", "u:")) else ALL])

    def close(self) -> None:
        """Stop listening; from then on the store answers."""
        self._channel.close()


_all: WeakSet[NearCacheStore] = WeakSet()


def forget_all() -> None:
    """Forget what the parent process remembered; called in the child after a fork."""
    for near in list(_all):
        near.entries.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)


def _concerns_others(changes: SessionPatch) -> bool:
    return bool(
        changes.replace
        or changes.facts
        or changes.lifetime is not None
        or changes.authenticated
        or any(f'"{prefix}' in changes.patch for prefix in IDENTITY)
        or any(name.startswith(IDENTITY) for name in changes.deleted)
    )
