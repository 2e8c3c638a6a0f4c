"""The indexes of the Valkey/Redis store: the sessions of each user, and all sessions.

The index of a user is a sorted set of session names, scored by when they were written. All sessions are in
buckets, sorted sets that each cover the ids made within 17 minutes, so that none grows without bounds and a
Cluster distributes them; one more set lists the buckets. On a single server the script writes the indexes
with the session. In a Cluster they are written first: a crash leaves an entry without a session, never a
session without an entry.

A hash expires by itself, but its entries remain. A sign-in cleans some of the user's entries, a list all of
them, and a purge everybody's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, NamedTuple

from sessionkeeper.core import keys
from sessionkeeper.stores.redis.client import Client
from sessionkeeper.stores.redis.key_prefix import KeyPrefix

#: The bits of an id within its bucket: 22 random ones, and 20 of milliseconds (17 minutes).
_BITS = 42
_MASK = (1 << _BITS) - 1
_LAST_BUCKET = keys.MAX_ID >> _BITS
#: The most buckets, or indexes of users, that are read at once.
_AT_ONCE = 64
#: The entries of a user's index that a sign-in checks, in a Cluster.
_SAMPLE = 16
#: The most entries that are read with a fingerprint at first; if there are more, most may be stale.
_MANY = 1000
_ALL = 2**53
#: The most entries that one script removes.
_PART = 500
#: The age, in microseconds, below which an entry without a session is not removed: the session may follow.
#: The script gives up an insert after 30 seconds, and the clocks of a Cluster may differ by minutes.
GRACE = 3600 * 1_000_000
#: The age, in microseconds, below which an entry without a session counts as a session.
_PENDING = 60 * 1_000_000


class Entries(NamedTuple):
    """A user's index: the server's time, a fingerprint of the index, and when each name was written."""

    now: int
    fingerprint: bytes
    written: dict[bytes, int]

    def ids(self) -> list[int]:
        """Return the ids, newest first, without names that are not valid."""
        ids = (keys.parse_id(name.decode("ascii", "replace")) for name in self.written)
        return sorted((session_id for session_id in ids if session_id is not None), reverse=True)

    def pending(self, there: Collection[int]) -> frozenset[bytes]:
        """Return the new entries whose sessions are not ``there``: they may be about to be stored."""
        names = {keys.encode_id(session_id).encode() for session_id in there}
        return frozenset(
            name
            for name, written in self.written.items()
            if name not in names and self.now - written < _PENDING
        )


class Index:
    """Builds the keys of the store, and maintains the indexes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.key_prefix = KeyPrefix(client)

    @property
    def buckets(self) -> str:
        """The key of the list of buckets."""
        return f"{self.key_prefix.prefix()}buckets"

    def session(self, session_id: int) -> str:
        """Return the key of a session's hash."""
        return f"{self.key_prefix.prefix()}s:{{{keys.encode_id(session_id)}}}"

    def user(self, user: str) -> str:
        """Return the key of a user's index."""
        return f"{self.key_prefix.prefix()}u:{{{user}}}"

    def bucket(self, number: int) -> str:
        """Return the key of a bucket."""
        return f"{self.key_prefix.prefix()}i:{{{number}}}"

    def with_session(self, session_id: int, user: str | None) -> list[str]:
        """Return the keys of a session's indexes, for the script on a single server."""
        users = [] if user is None else [self.user(user)]
        return [self.bucket(session_id >> _BITS), self.buckets, *users]

    def entry(self, session_id: int) -> tuple[str, int, int]:
        """Return a session's name, its place in its bucket, and the bucket's number."""
        return keys.encode_id(session_id), session_id & _MASK, session_id >> _BITS

    def write(
        self, session_id: int, user: str | None, now: str, lifetime: str, fingerprint: bytes | str
    ) -> int | None:
        """Write the entries of a session in a Cluster. Returns the server's time; None: nothing was written.

        ``fingerprint`` is that of the user's index as it was read, which must not have changed; empty: any.
        """
        name, place, number = self.entry(session_id)
        if fingerprint and user is not None:
            answer = self._client.run([self.user(user)], "index", now, name, "", lifetime, fingerprint)
            if answer[0] != 1:
                return None
        calls: list[tuple[str, tuple[Any, ...]]] = [
            (self.bucket(number), ("index", now, name, place, lifetime, ""))
        ]
        if user is not None and not fingerprint:
            calls.append((self.user(user), ("index", now, name, "", lifetime, "")))
        self._client.pipeline([("ZADD", self.buckets, number, number)])
        answers = self._client.run_many(calls)
        return min(int(answer[1]) for answer in answers)

    def of_user(self, user: str, now: str) -> Entries:
        """Return the index of a user as it is at one moment, with its fingerprint."""
        name = self.user(user)
        answer = self._client.run([name], "entries", now, _MANY)
        if len(answer) == 1:
            self.clean([name], now)
            answer = self._client.run([name], "entries", now, _ALL)
        time, fingerprint, flat = answer
        return Entries(int(time), fingerprint, _written(flat))

    def read(self, user: str, now: str) -> Entries:
        """Return the index of a user, however large, in parts and without a fingerprint.

        Entries that exist during the whole scan are included.
        """
        found: dict[bytes, int] = {}
        cursor, time = "0", b"0"
        while True:
            time, cursor, flat = self._client.run([self.user(user)], "part", now, cursor)
            found |= _written(flat)
            if int(cursor) == 0:
                return Entries(int(time), b"", found)

    def clean_all(self, now: str) -> None:
        """Remove the entries of sessions that are gone from the indexes of all users."""
        prefix = re.sub(r"([*?\[\]\\^-])", r"\\\1", self.key_prefix.prefix())
        names = self._client.names(f"{prefix}u:{{*}}")
        while batch := list(islice(names, _AT_ONCE)):
            self.clean(batch, now)

    def clean(self, names: Iterable[str], now: str) -> None:
        """Remove entries of sessions that are gone, or another user's, from these users' indexes."""
        cursors: dict[str, Any] = dict.fromkeys(names, "0")
        while cursors:
            calls = [(name, ("part", now, cursor)) for name, cursor in cursors.items()]
            answers = dict(zip(cursors, self._client.run_many(calls), strict=True))
            self._drop_gone(
                {name: (int(told[0]), _written(told[2])) for name, told in answers.items() if told}
            )
            cursors = {name: told[1] for name, told in answers.items() if told and int(told[1]) != 0}

    def clean_some(self, user: str, now: int) -> None:
        """Clean a random sample of a user's index. ``now`` is the server's time."""
        name = self.user(user)
        [flat] = self._client.pipeline([("ZRANDMEMBER", name, _SAMPLE, "WITHSCORES")])
        self._drop_gone({name: (now, _written(flat or ()))})

    def _drop_gone(self, indexes: dict[str, tuple[int, dict[bytes, int]]]) -> None:
        """Remove the old entries without a session from indexes, each given with the server's time."""
        old = [
            (index, name, written)
            for index, (now, entries) in indexes.items()
            for name, written in entries.items()
            if now - written > GRACE
        ]
        sessions = f"{self.key_prefix.prefix()}s:".encode()
        reads = [("HGET", sessions + b"{%b}" % name, "user") for _, name, _ in old]
        gone: dict[str, list[tuple[bytes, int]]] = {}
        for (index, name, written), user in zip(old, self._client.pipeline(reads), strict=True):
            if user is None or self.user(user.decode(errors="replace")) != index:
                gone.setdefault(index, []).append((name, written))
        self._drop(gone)

    def _drop(self, entries: dict[str, list[tuple[bytes, int]]]) -> None:
        """Remove entries, each given with when it was written, unless they were written again."""
        calls: list[tuple[str, tuple[Any, ...]]] = []
        for index, pairs in entries.items():
            rest = iter(pairs)
            while batch := list(islice(rest, _PART)):
                calls.append((index, ("drop", "", *(part for pair in batch for part in pair))))
        self._client.run_many(calls)

    def drop_ended(self, ended: Iterable[tuple[int, str | None]]) -> None:
        """Remove the entries of ended sessions, each given with its user."""
        names: dict[str, list[Any]] = {}
        for session_id, user in ended:
            name, _, number = self.entry(session_id)
            names.setdefault(self.bucket(number), []).extend((name, ""))
            if user is not None:
                names.setdefault(self.user(user), []).extend((name, ""))
        self._client.run_many([(key, ("drop", "", *pairs)) for key, pairs in names.items()])

    def drop_dangling(self, user: str, entries: Entries, kept: Collection[int]) -> None:
        """Remove a user's old entries except those of the ``kept`` sessions."""
        names = {keys.encode_id(session_id).encode() for session_id in kept}
        old = [
            (name, written)
            for name, written in entries.written.items()
            if name not in names and entries.now - written > GRACE
        ]
        self._drop({self.user(user): old})

    def down_from(self, newest: int, limit: int) -> list[int]:
        """Return up to ``limit`` ids, newest first, from ``newest`` down."""
        return self._walk(newest, limit, "ZREVRANGEBYSCORE", "+inf", "-inf")

    def up_from(self, oldest: int, limit: int) -> list[int]:
        """Return up to ``limit`` ids, oldest first, from ``oldest`` up."""
        return self._walk(oldest, limit, "ZRANGEBYSCORE", "-inf", "+inf")

    def drop_buckets(self, now: int) -> None:
        """Remove empty buckets that no new session belongs to from their list."""
        empty = [one for one, size in self._sizes() if size == 0 and is_old((one + 1) << _BITS, now)]
        self._client.pipeline([("ZREM", self.buckets, number) for number in empty])

    def _walk(self, start: int, limit: int, command: str, first: str, last: str) -> list[int]:
        ids: list[int] = []
        bound: Any = start >> _BITS
        while len(ids) < limit:
            [numbers] = self._client.pipeline([(command, self.buckets, bound, last, "LIMIT", 0, _AT_ONCE)])
            if not numbers:
                break
            numbers = [int(number) for number in numbers]
            starts = [start & _MASK if number == start >> _BITS else first for number in numbers]
            found = self._client.pipeline(
                [
                    (command, self.bucket(number), begin, last, "LIMIT", 0, limit)
                    for number, begin in zip(numbers, starts, strict=True)
                ]
            )
            for names in found:
                ids += [
                    one for one in (keys.parse_id(name.decode()) for name in names or ()) if one is not None
                ]
            bound = f"({numbers[-1]}"
        return ids[:limit]

    def count(self) -> int:
        """Return the number of entries in all buckets."""
        return sum(size for _, size in self._sizes())

    def _sizes(self) -> Iterable[tuple[int, int]]:
        [found] = self._client.pipeline([("ZRANGE", self.buckets, 0, -1)])
        numbers = [int(number) for number in found]
        sizes = self._client.pipeline([("ZCARD", self.bucket(number)) for number in numbers])
        return zip(numbers, sizes, strict=True)


def is_old(session_id: int, now: int) -> bool:
    """Whether an id was made so long ago that its session cannot be about to be stored."""
    return now - keys.made_at(session_id) > GRACE


def _written(flat: Iterable[bytes]) -> dict[bytes, int]:
    """Return names, given alternating with their scores, with when each was written."""
    turns = iter(flat)
    return {name: int(float(score)) for name, score in zip(turns, turns, strict=True)}
