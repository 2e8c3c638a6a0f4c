"""The reference store: the contract in a dict, under one lock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sessionkeeper.conf import namespaces
from sessionkeeper.core.errors import IdTaken, SessionGone, StaleSession
from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.records import (
    Lookup,
    NewSession,
    Purged,
    Revoked,
    SessionLimit,
    SessionPatch,
    SessionRecord,
    awaits_first_use,
    is_live,
    to_end,
)


class MemoryStore:
    """A :class:`~sessionkeeper.stores.base.Store` in memory. ``clock`` returns an aware datetime."""

    alias = None
    waits_in_loop = False
    patience = 0.0

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._all: dict[str, dict[int, SessionRecord]] = {}

    @property
    def _records(self) -> dict[int, SessionRecord]:
        return self._all.setdefault(namespaces.active(), {})

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """See the contract."""
        record = self._records.get(session_id)
        return None if record is None else Lookup(record, self._clock())

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """See the contract."""
        with self._lock:
            if new.id in self._records:
                raise IdTaken
            ended = self._end_oldest(new.limit, new.id, new.user_id)
            self._records[new.id] = record = new.record_at(self._clock(), namespaces.active())
        return record, ended

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """See the contract."""
        now = self._clock()
        with self._lock:
            record = self._current(session_id, secret_hash)
            ended = self._end_oldest(changes.limit, session_id, changes.facts.get("user_id"))
            data = {} if changes.replace else json.loads(record.data)
            data.update(json.loads(changes.patch))
            for name in changes.deleted:
                data.pop(name, None)
            columns: dict[str, Any] = {**changes.facts, "data": json.dumps(data), "last_seen_at": now}
            if changes.lifetime is not None:
                columns["expires_at"] = _moment(changes.lifetime, now)
            if changes.authenticated:
                columns["authenticated_at"] = now
            self._records[session_id] = record = record._replace(**columns, version=record.version + 1)
        return record, ended

    def _end_oldest(self, limit: SessionLimit | None, session_id: int, user_id: Any) -> list[int]:
        if limit is None:
            return []
        ended = to_end(self._records.values(), limit, session_id, user_id, self._clock())
        for other in ended:
            del self._records[other]
        return ended

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """See the contract."""
        with self._lock:
            record = self._current(session_id, secret_hash)
            self._records[session_id] = record._replace(
                secret_hash=new_secret,
                family_hash=new_family,
                previous_hash=None,
                previous_at=None,
                last_seen_at=self._clock(),
                version=record.version + 1,
            )

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes, family: bytes) -> bool:
        """See the contract."""
        with self._lock:
            record = self._records.get(session_id)
            again = (new_secret, secret_hash, None)
            if record is None or (
                record.secret_hash != secret_hash
                and (record.secret_hash, record.previous_hash, record.previous_at) != again
            ):
                return False
            self._records[session_id] = record._replace(
                secret_hash=new_secret,
                family_hash=family,
                previous_hash=secret_hash,
                previous_at=None,
                last_seen_at=self._clock(),
                version=record.version + 1,
            )
            return True

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """See the contract."""
        now = self._clock()
        with self._lock:
            record = self._records.get(session_id)
            if record is None or not _proves(record, secret_hash):
                return False
            first = record.secret_hash == secret_hash and awaits_first_use(record)
            seen_at = now if first else record.previous_at
            self._records[session_id] = record._replace(last_seen_at=now, previous_at=seen_at)
            return True

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        """See the contract."""
        with self._lock:
            record = self._records.get(session_id)
            if record is None or (secret_hash is not None and not _proves(record, secret_hash)):
                return None
            del self._records[session_id]
            return Revoked(record.id, record.user_id)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        """See the contract."""
        with self._lock:
            mine = [one for one in self._records.values() if one.user_id == user_id and one.id != except_]
            return [Revoked(one.id, self._records.pop(one.id).user_id) for one in mine]

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        """See the contract."""
        return [one for one in map(self.revoke, session_ids) if one is not None]

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        with self._lock:
            mine = [one for one in self._records.values() if one.user_id == user_id and one.id <= newest]
        return sorted(mine, key=lambda record: record.id, reverse=True)[:limit]

    def find_many(self, session_ids: Collection[int]) -> list[SessionRecord]:
        """See the contract."""
        with self._lock:
            return [self._records[one] for one in session_ids if one in self._records]

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        with self._lock:
            records = [record for record in self._records.values() if record.id <= newest]
        return sorted(records, key=lambda record: record.id, reverse=True)[:limit]

    def purge(self, limit: int, after: int = 0) -> Purged:
        """See the contract."""
        now = self._clock()
        with self._lock:
            ids = sorted(session_id for session_id in self._records if session_id > after)[:limit]
            dead = [session_id for session_id in ids if not is_live(self._records[session_id], now)]
            users = [self._records.pop(session_id).user_id for session_id in dead]
        of_users = sum(user is not None for user in users)
        return Purged(len(users), of_users, ids[-1] if len(ids) == limit else None)

    def count(self) -> int:
        """See the contract."""
        return len(self._records)

    def user_changed(self, user_id: Any) -> None:
        """See the contract."""

    def _current(self, session_id: int, secret_hash: bytes) -> SessionRecord:
        record = self._records.get(session_id)
        if record is None:
            raise SessionGone
        if not _proves(record, secret_hash):
            raise StaleSession
        return record


def _proves(record: SessionRecord, secret_hash: bytes) -> bool:
    return secret_hash in {record.secret_hash, record.previous_hash}


def _moment(lifetime: timedelta | datetime, now: datetime) -> datetime:
    return lifetime if isinstance(lifetime, datetime) else now + lifetime
