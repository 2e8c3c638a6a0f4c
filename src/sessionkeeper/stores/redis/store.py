"""The store in a Valkey or Redis: a server, a master that Sentinels name, or a Cluster.

Each session is a hash. Each write is one script that checks and changes it atomically, and a hash expires an
hour after its session has ended. The clock is the server's. A rollback of a database transaction undoes
nothing here. The database records the end of each user's session (``tombstones``), since a failover may bring
one back.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.redis_url import RedisUrl
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import CorruptPayload, IdTaken, SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.core.records import (
    Lookup,
    NewSession,
    Purged,
    Revoked,
    SessionLimit,
    SessionPatch,
    SessionRecord,
    to_end,
)
from sessionkeeper.stores.redis import serialization, tombstones, user_cache, user_lookup
from sessionkeeper.stores.redis.client import Client, with_channel
from sessionkeeper.stores.redis.indexes import Entries, Index, is_old
from sessionkeeper.stores.redis.revocation import Revocation, text_of
from sessionkeeper.stores.redis.user_cache import UserCache

log = logging.getLogger("sessionkeeper.store")

_DONE, _GONE, _STALE, _CORRUPT, _LATE, _CHANGED = 1, 0, -1, -2, -3, -4
#: Attempts of a sign-in with a limit. Each failure means that another sign-in of the same user succeeded.
_TRIES = 200
#: The most sessions that are read or ended at once.
_AT_ONCE = 500
#: Seconds without a change after which a sign-in no longer waits for others: a process died during one.
SETTLE_SECONDS = 1.0


class RedisStore:
    """A :class:`~sessionkeeper.stores.base.Store` in Valkey or Redis.

    Args:
        url: the address of the server or servers.
        clock: replaces the server's clock, for tests; returns an aware datetime.
    """

    alias = None
    waits_in_loop = True

    def __init__(self, url: RedisUrl, clock: Callable[[], datetime] | None = None) -> None:
        self.client = Client(url)
        #: Longer than one attempt: the retry, on a fresh connection, may be answered at once.
        self.patience = 1.5 * url.timeout
        self._index = Index(self.client)
        self._revocation = Revocation(self.client, self._index)
        self._user_cache = UserCache(self.client, self._index)
        self._clock = clock

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """One command, and for a user's session one SQL statement, also for the user."""
        found, fields = self._find(session_id)
        if found is None or found.record.user_id is None:
            return found
        longest = user_cache.longest() if principal else None
        if longest is not None and (cached := user_cache.read(fields, found, longest)) is not None:
            return found._replace(principal=cached.make(cached.values), snapshot=cached)
        here = namespaces.active()
        answer = context.run_in_database_thread(
            user_lookup.ask, session_id, found.record.user_id, namespace=here, principal=principal
        )
        if answer.ended:
            self._revocation.end_again(session_id, self._time())
            return None
        if longest is not None:
            self._user_cache.fill(fields, found, answer, self._time())
        return found._replace(principal=answer.principal, snapshot=answer.snapshot)

    def foreign(self) -> str:
        """Return why the keys belong to another site, for a check; empty where that is not known."""
        return self._index.key_prefix.foreign()

    def _find(self, session_id: int) -> tuple[Lookup | None, dict[bytes, bytes]]:
        flat, now = self.client.read(self._index.session(session_id), self._time())
        fields = dict(serialization.pairs(flat))
        return (Lookup(serialization.to_record(session_id, fields), now) if fields else None), fields

    def user_changed(self, user_id: Any) -> None:
        """Drop the cached columns of a user; None drops nothing: they expire."""
        if user_cache.longest() is not None:
            self._user_cache.drop(serialization.user_text(user_id), self._time())

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        user, life = serialization.user_text(new.user_id), serialization.lifetime(new.lifetime)
        operation = (
            "insert",
            "1" if new.authenticated else "",
            new.secret_hash,
            *serialization.new_fields(new),
        )
        write = partial(self._write, operation, new.id, user, (life, life))
        answer, ended = self._write_within_limit(new.limit, new.id, user, write)
        if answer[0] == _GONE:
            raise IdTaken
        return _written(new.id, answer), ended

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        dropped, fields = serialization.changed_facts(changes.facts)
        dropped += [serialization.DATA + name for name in changes.deleted]
        fields += serialization.data_fields(changes.patch)
        flags = ("1" if changes.authenticated else "", "1" if changes.replace else "")
        operation = ("merge", flags[0], secret_hash, flags[1], len(dropped), *dropped, *fields)
        is_indexed = "user_id" in changes.facts or changes.lifetime is not None
        user, lives = self._indexed_as(session_id, changes, seen) if is_indexed else (None, None)
        write = partial(self._write, operation, session_id, user, lives)
        answer, ended = self._write_within_limit(changes.limit, session_id, user, write)
        _raise(answer[0])
        return _written(session_id, answer), ended

    def _indexed_as(
        self, session_id: int, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[str | None, tuple[str, str]]:
        """Return the user of a changed session, its new lifetime, and that of its index entries."""
        life = serialization.lifetime(changes.lifetime)
        if "user_id" in changes.facts and life:
            return serialization.user_text(changes.facts["user_id"]), (life, life)
        if seen is None:
            found, _ = self._find(session_id)
            if found is None:
                raise SessionGone
            seen = found.record
        user = serialization.user_text(changes.facts.get("user_id", seen.user_id))
        return user, (life, life or serialization.lifetime(seen.expires_at))

    def _write(
        self,
        operation: tuple[Any, ...],
        session_id: int,
        user: str | None,
        lives: tuple[str, str] | None,
        fingerprint: bytes | str,
    ) -> list[Any]:
        """Write a session and its index entries, in a Cluster the entries first. ``lives`` None: no entries.

        ``operation`` is its name, the flag for authentication, and its other arguments.
        """
        names, indexed_at = [self._index.session(session_id)], ""
        if lives is not None and self.client.is_cluster:
            written = self._index.write(session_id, user, self._time(), lives[1], fingerprint)
            if written is None:
                return [_CHANGED]
            indexed_at = str(written)
        elif lives is not None:
            names += self._index.with_session(session_id, user)
        name, flag, *rest = operation
        entry = (*self._index.entry(session_id), fingerprint)
        life = lives[0] if lives is not None else ""
        answer: list[Any] = self.client.run(
            names, with_channel(name), self._time(), life, flag, indexed_at, *entry, *rest
        )
        if answer[0] == _DONE and indexed_at and user is not None:
            with suppress(StoreUnavailable):  # the session is stored; the next sign-in cleans up
                self._index.clean_some(user, int(indexed_at))
        return answer

    def _write_within_limit(
        self,
        limit: SessionLimit | None,
        session_id: int,
        user: str | None,
        write: Callable[[bytes | str], list[Any]],
    ) -> tuple[list[Any], list[int]]:
        """Write a sign-in, and end the sessions that exceed the limit. Returns the answer and those sessions.

        The write succeeds only if the user's index is unchanged since the sessions were counted: of parallel
        sign-ins one succeeds, and the others count again.
        """
        for _ in range(_TRIES):
            ended, fingerprint = self._to_end(limit, session_id, user)
            answer = write(fingerprint)
            if answer[0] not in {_LATE, _CHANGED}:
                if answer[0] == _DONE and ended:
                    self._end(ended)
                return answer, ended
            _pause()
        raise StoreUnavailable("Too many sign-ins of one user at once.")

    def _to_end(
        self, limit: SessionLimit | None, session_id: int, user: str | None
    ) -> tuple[list[int], bytes | str]:
        if limit is None or user is None:
            return [], ""
        entries, ids, pending = self._counted(session_id, user, limit.transport)
        limit = limit._replace(most=limit.most - pending)
        now, user_id = serialization.moment(b"%d" % entries.now), serialization.user_id(user.encode())
        return to_end(self._read(ids), limit, session_id, user_id, now), entries.fingerprint

    def _counted(self, session_id: int, user: str, transport: str) -> tuple[Entries, list[int], int]:
        """Return a user's index, the ids of this transport, and how many more may be about to be stored.

        Of the user's other sessions only the transport is read.

        In a Cluster, indexes and sessions change one after the other. An entry without a session belongs to a
        sign-in in progress, which must count, or to a session that has just ended, which must not. Both last
        milliseconds, so this waits; an entry that remains for ``SETTLE_SECONDS`` counts as a session.
        """
        last: frozenset[bytes] = frozenset()
        since = time.monotonic()
        while True:
            entries = self._index.of_user(user, self._time())
            found = entries.ids()
            reads = [("HGET", self._index.session(one), "transport") for one in found]
            kinds = dict(zip(found, self.client.pipeline(reads), strict=True))
            ids = [one for one, kind in kinds.items() if kind == transport.encode()]
            if not self.client.is_cluster:
                return entries, ids, 0
            pending = entries.pending({session_id, *(one for one, kind in kinds.items() if kind)})
            if pending != last:
                last, since = pending, time.monotonic()
            if not pending or time.monotonic() - since >= SETTLE_SECONDS:
                return entries, ids, len(pending)
            _pause()

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        _raise(self._run(session_id, "rotate", secret_hash, new_secret, new_family)[0])

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes, family: bytes) -> bool:
        return bool(self._run(session_id, "renew", secret_hash, new_secret, family)[0] == _DONE)

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """In a Cluster it writes the entries again: a failover may have lost them."""
        code, *rest = self._run(session_id, "touch", secret_hash)
        if code != _DONE:
            return False
        if self.client.is_cluster:
            user, expires = rest
            self._index.write(session_id, text_of(user), self._time(), expires.decode(), "")
        return True

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        return next(iter(self._end([session_id], secret_hash=secret_hash)), None)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        user = serialization.user_text(user_id)
        if user is None:
            return []
        ids = (one for one in self._index.read(user, self._time()).ids() if one != except_)
        ended: list[Revoked] = []
        while batch := list(islice(ids, _AT_ONCE)):
            ended += self._end(batch, user=user)
        return ended

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        return self._end(session_ids)

    def _end(
        self, session_ids: Collection[int], *, secret_hash: bytes | None = None, user: str | None = None
    ) -> list[Revoked]:
        """End sessions, for every reason but a lifetime. Returns those that existed."""
        return self._revocation.end(session_ids, self._time(), secret_hash=secret_hash, user=user)

    def list_for(
        self, user_id: Any, limit: int | None = None, newest: int = keys.MAX_ID
    ) -> list[SessionRecord]:
        """Reads the whole index, whatever the limit."""
        user = serialization.user_text(user_id)
        if user is None:
            return []
        entries = self._index.read(user, self._time())
        ids = [one for one in entries.ids() if one <= newest]
        if limit is not None:
            return self._first_of(ids, user, limit)
        records = self._of_user(ids, user)
        if newest == keys.MAX_ID:
            self._index.drop_dangling(user, entries, [record.id for record in records])
        return records

    def find_many(self, session_ids: Collection[int]) -> list[SessionRecord]:
        return self._read(session_ids)

    def _first_of(self, ids: list[int], user: str, limit: int) -> list[SessionRecord]:
        records: list[SessionRecord] = []
        while ids and len(records) < limit:
            records += self._of_user(ids[:limit], user)
            ids = ids[limit:]
        return records[:limit]

    def _of_user(self, ids: list[int], user: str) -> list[SessionRecord]:
        return [record for record in self._read(ids) if serialization.user_text(record.user_id) == user]

    def scan(self, limit: int, newest: int = keys.MAX_ID) -> list[SessionRecord]:
        records: list[SessionRecord] = []
        while newest >= 0 and len(records) < limit:
            ids = self._index.down_from(newest, limit)
            records += self._read(ids)
            if len(ids) < limit:
                break
            newest = ids[-1] - 1
        return records[:limit]

    def purge(self, limit: int, after: int = 0) -> Purged:
        """Hashes expire by themselves; this removes their index entries, and any leftovers.

        The last call also cleans the indexes of all users.
        """
        if not after:
            self._index.key_prefix.forget()
        ids = self._index.up_from(after + 1 if after else 0, limit)
        now = self._time()
        answers = self.client.run_many([(self._index.session(one), ("expire", now)) for one in ids])
        gone: dict[int, str | None] = {}
        removed: list[str | None] = []
        moment = int(self.client.run([self._index.buckets], "time", now))
        for session_id, (code, *rest) in zip(ids, answers, strict=True):
            if code == _DONE:
                gone[session_id] = text_of(rest[0])
                removed.append(gone[session_id])
            elif not rest and is_old(session_id, moment):
                gone[session_id] = None
        self._revocation.forget(gone.items())
        purged = Purged(len(removed), sum(user is not None for user in removed), None)
        if len(ids) == limit:
            return purged._replace(after=ids[-1])
        self._index.drop_buckets(moment)
        context.run_in_database_thread(self._index.clean_all, now)
        context.run_in_database_thread(tombstones.purge, limit)
        return purged

    def count(self) -> int:
        """Hashes that have expired are counted until the next purge."""
        return self._index.count()

    def _read(self, session_ids: Collection[int]) -> list[SessionRecord]:
        """Return these sessions, in this order, without those that are gone or unreadable."""
        rest, records = iter(session_ids), []
        while batch := list(islice(rest, _AT_ONCE)):
            records += self._read_batch(batch)
        return records

    def _read_batch(self, session_ids: Collection[int]) -> list[SessionRecord]:
        hashes = self.client.pipeline([("HGETALL", self._index.session(one)) for one in session_ids])
        records = []
        for session_id, fields in zip(session_ids, hashes, strict=True):
            try:
                if fields:
                    records.append(serialization.to_record(session_id, fields))
            except CorruptPayload:
                log.warning("Session %s cannot be read.", keys.encode_id(session_id))
        mine = [record.id for record in records if record.user_id is not None]
        ended = context.run_in_database_thread(tombstones.among, mine) if mine else set()
        return [record for record in records if record.id not in ended] if ended else records

    def _run(self, session_id: int, operation: str, *arguments: Any) -> list[Any]:
        names = [self._index.session(session_id)]
        answer: list[Any] = self.client.run(names, with_channel(operation), self._time(), *arguments)
        return answer

    def _time(self) -> str:
        """Return the time for the script; empty: the server's own."""
        return serialization.microseconds(self._clock()) if self._clock else ""


def _written(session_id: int, answer: list[Any]) -> SessionRecord:
    return serialization.to_record(session_id, dict(serialization.pairs(answer[1])))


def _pause() -> None:
    context.sleep(random.uniform(0, 0.01))  # noqa: S311 - no secret: spreads processes that collided


def _raise(code: int) -> None:
    if code == _GONE:
        raise SessionGone
    if code == _STALE:
        raise StaleSession
    if code == _CORRUPT:
        raise CorruptPayload("The stored session cannot be read.")
