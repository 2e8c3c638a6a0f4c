"""What a near cache remembers: a bounded map in which a fill loses against what was dropped meanwhile."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakSet

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.stores.user_snapshot import Snapshot

#: What an entry takes besides its texts and the user's columns, in bytes, about: objects, dicts, an index.
OVERHEAD = 2_500
#: The message that is about everything.
ALL = "*"
_LONGEST_NAME = 200


def of_session(session_id: int) -> str:
    """Return the message that is about one session."""
    return f"s:{session_id}"


def of_user(user_id: Any, tenant: str | None = None) -> str:
    """Return the message that is about all sessions of a user, of ``tenant`` or the active one."""
    tenant = namespaces.of_users() if tenant is None else tenant
    name = f"{tenant}:{user_id}" if tenant else str(user_id)
    return f"u:{name}" if len(name) <= _LONGEST_NAME else ALL


@dataclass(slots=True)
class Counters:
    """What a near cache has done since its process started. Read it for a metric; it is never reset.

    Attributes:
        hits: answers from memory.
        misses: questions that the store had to answer, while the channel was trusted.
        distrusted: questions that the store had to answer because the channel was not.
        fills: sessions that were remembered.
        lost: fills that were given up, because the session or its user changed meanwhile.
        dropped: sessions that were forgotten because something ended or changed.
        evicted: sessions that were forgotten to make room.
    """

    hits: int = 0
    misses: int = 0
    distrusted: int = 0
    fills: int = 0
    lost: int = 0
    dropped: int = 0
    evicted: int = 0


class Entry(NamedTuple):
    """Who one session authenticates, as read at ``now`` of the store's clock and ``asked`` of ours.

    It counts in the ``namespace`` in which it was read alone; its user is one of ``tenant``'s.
    """

    record: SessionRecord
    now: datetime
    snapshot: Snapshot
    identity: dict[str, Any]
    asked: float
    epoch: int
    namespace: str = ""
    tenant: str = ""

    @property
    def user(self) -> str:
        """The message that is about its user."""
        return of_user(self.record.user_id, self.tenant)

    def size(self) -> int:
        """Return about how many bytes this takes."""
        return OVERHEAD + self.snapshot.size() + sum(len(str(value)) for value in self.identity.values())


class Ticket:
    """A read under way. What is dropped meanwhile is noted here, and the fill loses."""

    def __init__(self, epoch: int, asked: float) -> None:
        self.epoch = epoch
        self.asked = asked
        self.dropped: set[str] = set()


class Entries:
    """The map, under one lock. Who was asked for least recently goes first."""

    def __init__(self, options: NearCache) -> None:
        self._options = options
        self.counters = Counters()
        self.reset()

    def reset(self) -> None:
        """Forget everything, also the lock, which a thread of a fork's parent may hold."""
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, tuple[Entry, int]] = OrderedDict()
        self._ids_of: dict[str, set[int]] = {}
        self._tickets: WeakSet[Ticket] = WeakSet()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session_id: int, epoch: int, clock: float, namespace: str = "") -> Entry | None:
        """Return an entry of this namespace and epoch within its lease."""
        with self._lock:
            entry, _ = self._entries.get(session_id, (None, 0))
            if entry is None or entry.namespace != namespace:
                return None
            if entry.epoch != epoch or clock - entry.asked > self._options.lease.total_seconds():
                self._remove(session_id)
                return None
            self._entries.move_to_end(session_id)
            return entry

    def begin(self, epoch: int, asked: float) -> Ticket:
        """Begin to watch for what happens during a read."""
        ticket = Ticket(epoch, asked)
        with self._lock:
            self._tickets.add(ticket)
        return ticket

    def fill(self, ticket: Ticket, entry: Entry, epoch: int) -> None:
        """Remember what was read, unless something that it depends on was dropped since the read began."""
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
        """Forget what the messages are about."""
        with self._lock:
            for ticket in self._tickets:
                ticket.dropped.update(messages)
            for message in messages:
                for session_id in self._meant(message):
                    self.counters.dropped += self._remove(session_id)

    def _meant(self, message: str) -> Collection[int]:
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
