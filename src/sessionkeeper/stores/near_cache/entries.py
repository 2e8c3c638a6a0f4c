"""The near cache's entries: a bounded map in which a fill loses against a drop since its read began."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakSet

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.stores import forks
from sessionkeeper.stores.user_snapshot import Snapshot

#: The approximate size of an entry in bytes, without its texts and the user's columns.
OVERHEAD = 2_500
#: The message that drops everything.
ALL = "*"
_LONGEST_NAME = 200


def of_session(session_id: int) -> str:
    """Return the message that drops one session."""
    return f"s:{session_id}"


def of_user(user_id: Any, tenant: str | None = None) -> str:
    """Return the message that drops all sessions of a user of ``tenant``, by default the active one."""
    tenant = namespaces.of_users() if tenant is None else tenant
    name = f"{tenant}:{user_id}" if tenant else str(user_id)
    return f"u:{name}" if len(name) <= _LONGEST_NAME else ALL


@dataclass(slots=True)
class Counters:
    """What a near cache has counted since its process started. Never reset; made for metrics.

    Attributes:
        hits: lookups answered from memory.
        misses: lookups left to the store while the channel was trusted.
        distrusted: lookups left to the store because the channel was not trusted.
        fills: sessions that were added.
        lost: fills that were discarded because the session or its user changed during the read.
        dropped: sessions that were removed because something ended or changed.
        evicted: sessions that were removed to make room.
    """

    hits: int = 0
    misses: int = 0
    distrusted: int = 0
    fills: int = 0
    lost: int = 0
    dropped: int = 0
    evicted: int = 0


class Entry(NamedTuple):
    """The user of one session, as read at ``now`` by the store's clock and ``read_at`` by ours.

    It is valid only in the ``namespace`` in which it was read; its user belongs to ``tenant``.
    """

    record: SessionRecord
    now: datetime
    snapshot: Snapshot
    identity: dict[str, Any]
    read_at: float
    epoch: int
    namespace: str = ""
    tenant: str = ""

    @property
    def user(self) -> str:
        """The message that drops its user's sessions."""
        return of_user(self.record.user_id, self.tenant)

    def size(self) -> int:
        """Return the approximate size in bytes."""
        return OVERHEAD + self.snapshot.size() + sum(len(str(value)) for value in self.identity.values())


@dataclass(eq=False)
class Ticket:
    """A read in progress, which collects what is dropped meanwhile."""

    epoch: int
    began_at: float
    dropped: set[str] = field(default_factory=set)


class Entries:
    """The map, under one lock. The least recently used entry is evicted first."""

    def __init__(self, options: NearCache) -> None:
        self._options = options
        self.counters = Counters()
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Drop everything, and the lock, which a thread of a fork's parent may hold."""
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, tuple[Entry, int]] = OrderedDict()
        self._ids_of: dict[str, set[int]] = {}
        self._tickets: WeakSet[Ticket] = WeakSet()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session_id: int, epoch: int, clock: float, namespace: str = "") -> Entry | None:
        """Return an entry of this namespace and epoch within its lease, or None."""
        with self._lock:
            entry, _ = self._entries.get(session_id, (None, 0))
            if entry is None or entry.namespace != namespace:
                return None
            if entry.epoch != epoch or clock - entry.read_at > self._options.lease.total_seconds():
                self._remove(session_id)
                return None
            self._entries.move_to_end(session_id)
            return entry

    def begin(self, epoch: int, clock: float) -> Ticket:
        """Begin a read: from now on, drops are noted on the ticket."""
        ticket = Ticket(epoch, clock)
        with self._lock:
            self._tickets.add(ticket)
        return ticket

    def fill(self, ticket: Ticket, entry: Entry, epoch: int) -> None:
        """Add what was read, unless something that it depends on was dropped since the read began."""
        record, size = entry.record, entry.size()
        about = {ALL, of_session(record.id), entry.user}
        with self._lock:
            self._tickets.discard(ticket)
            if about & ticket.dropped or ticket.epoch != epoch:
                self.counters.lost += 1
                return
            self._remove(record.id)
            self._entries[record.id] = entry, size
            self._ids_of.setdefault(entry.user, set()).add(record.id)
            self.bytes += size
            self.counters.fills += 1
            while len(self._entries) > self._options.entries or self.bytes > self._options.bytes:
                self._remove(next(iter(self._entries)))
                self.counters.evicted += 1

    def drop(self, messages: Collection[str]) -> None:
        """Drop the sessions that the messages name."""
        with self._lock:
            for ticket in self._tickets:
                ticket.dropped.update(messages)
            for message in messages:
                for session_id in self._named_by(message):
                    self.counters.dropped += self._remove(session_id)

    def _named_by(self, message: str) -> Collection[int]:
        if message == ALL:
            return list(self._entries)
        if message.startswith("u:"):
            return list(self._ids_of.get(message, ()))
        name = message.removeprefix("s:")
        return [int(name)] if name.isdecimal() else []

    def _remove(self, session_id: int) -> bool:
        entry, size = self._entries.pop(session_id, (None, 0))
        if entry is None:
            return False
        self.bytes -= size
        self._ids_of[entry.user].discard(session_id)
        if not self._ids_of[entry.user]:
            del self._ids_of[entry.user]
        return True
