"""The indexes of the Valkey/Redis store: who has which sessions, and which sessions there are.

A user's sessions are a sorted set of names, by when they were written there. All sessions are sorted sets
too, one for each quarter of an hour in which ids were made, so that none grows without bounds and a Cluster
spreads them; one more names those. On a single server the script writes them with the session. In a Cluster
they are written first: a crash leaves an entry that names nothing, never a session that nobody finds.

A hash that has ended goes by itself, and its entries stay. A sign-in looks at some of the user's, a list at
all of them, and a purge at everybody's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, NamedTuple

from sessionkeeper.core import keys
from sessionkeeper.stores.redis.client import Client
from sessionkeeper.stores.redis.key_prefix import KeyPrefix

#: Bits of an id within its bucket: 22 at random and 20 of milliseconds, 17 minutes.
_BITS = 42
_MASK = (1 << _BITS) - 1
_LAST_BUCKET = keys.MAX_ID >> _BITS
#: Buckets, and indexes of users, that are asked for in one go.
_AT_ONCE = 64
#: Entries of a user's index that are looked at when one is added, in a Cluster.
_SAMPLE = 16
#: Entries that are read with what tells that they are the same; if there are more, most may name nothing.
_MANY = 1000
_ALL = 2**53
#: Entries that are removed by one script.
_PART = 500
#: What an index must not be touched for while its entry may be ahead of its session, in microseconds: the
#: script gives up an insert after 30 seconds, and clocks of a Cluster may disagree by minutes.
GRACE = 3600 * 1_000_000
#: How long an entry without a session counts as one that is about to be, in microseconds.
_PENDING = 60 * 1_000_000


class Entries(NamedTuple):
    """A user's index: the server's time, what tells that it is still the same, name to when written."""

    now: int
    fingerprint: bytes
    written: dict[bytes, int]

    def ids(self) -> list[int]:
        """Return the ids that are named, newest first, without names that none has."""
        ids = (keys.parse_id(name.decode("ascii", "replace")) for name in self.written)
        return sorted((session_id for session_id in ids if session_id is not None), reverse=True)

    def pending(self, there: Collection[int]) -> frozenset[bytes]:
        """Return the entries that may be of sessions about to be stored: not ``there``, and new."""
        names = {keys.encode_id(session_id).encode() for session_id in there}
        return frozenset(
            name
            for name, written in self.written.items()
            if name not in names and self.now - written < _PENDING
        )


class Index:
    """Names and reads the keys of the store."""

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
        """Return the keys that the script needs beside the session's, on a single server."""
        users = [] if user is None else [self.user(user)]
        return [self.bucket(session_id >> _BITS), self.buckets, *users]

    def entry(self, session_id: int) -> tuple[str, int, int]:
        """Return a session's name, its place in its bucket, and the bucket's number."""
        return keys.encode_id(session_id), session_id & _MASK, session_id >> _BITS

    def write(
        self, session_id: int, user: str | None, now: str, lifetime: str, fingerprint: bytes | str
    ) -> int | None:
        """Write the entries of a session, in a Cluster. Return the server's time; None: nothing was written.

        ``fingerprint`` is what the user's index must have been until now; empty: whatever it is.
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
        """Return the index of a user in one go, with what tells that it is still the same."""
        name = self.user(user)
        answer = self._client.run([name], "entries", now, _MANY)
        if len(answer) == 1:
            self.clean([name], now)
            answer = self._client.run([name], "entries", now, _ALL)
        time, fingerprint, flat = answer
        return Entries(int(time), fingerprint, _written(flat))

    def read(self, user: str, now: str) -> Entries:
        """Return the index of a user, however large, in parts, without a fingerprint.

        What is in it all the time is in the answer.
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
        names = self._client.names(f"{_literal(self.key_prefix.prefix())}u:{{*}}")
        while some := list(islice(names, _AT_ONCE)):
            self.clean(some, now)

    def clean(self, names: Iterable[str], now: str) -> None:
        """Remove the entries of sessions that are gone, or another user's, from these users' indexes."""
        cursors: dict[str, Any] = dict.fromkeys(names, "0")
        while cursors:
            calls = [(name, ("part", now, cursor)) for name, cursor in cursors.items()]
            answers = dict(zip(cursors, self._client.run_many(calls), strict=True))
            self._drop_gone(
                {name: (int(told[0]), _written(told[2])) for name, told in answers.items() if told}
            )
            cursors = {name: told[1] for name, told in answers.items() if told and int(told[1]) != 0}

    def clean_some(self, user: str, now: int) -> None:
        """Remove some entries of sessions that are gone from a user's index. ``now`` is the server's time."""
        name = self.user(user)
        [flat] = self._client.pipeline([("ZRANDMEMBER", name, _SAMPLE, "WITHSCORES")])
        self._drop_gone({name: (now, _written(flat or ()))})

    def _drop_gone(self, indexes: dict[str, tuple[int, dict[bytes, int]]]) -> None:
        """Remove of these entries, each index with the server's time, those that are old and name nothing."""
        old = [
            (index, name, written)
            for index, (now, entries) in indexes.items()
            for name, written in entries.items()
            if now - written > GRACE
        ]
        sessions = f"{self.key_prefix.prefix()}s:".encode()
        asked = [("HGET", sessions + b"{%b}" % name, "user") for _, name, _ in old]
        gone: dict[str, list[tuple[bytes, int]]] = {}
        for (index, name, written), user in zip(old, self._client.pipeline(asked), strict=True):
            if user is None or self.user(user.decode(errors="replace")) != index:
                gone.setdefault(index, []).append((name, written))
        self._drop(gone)

    def _drop(self, entries: dict[str, list[tuple[bytes, int]]]) -> None:
        """Remove entries of indexes, each given with when it was written, unless written again since."""
        calls: list[tuple[str, tuple[Any, ...]]] = []
        for index, pairs in entries.items():
            turns = iter(pairs)
            while some := list(islice(turns, _PART)):
                calls.append((index, ("drop", "", *(part for pair in some for part in pair))))
        self._client.run_many(calls)

    def drop_ended(self, ended: Iterable[tuple[int, str | None]]) -> None:
        """Remove the entries of sessions that are gone for good, each given with its user."""
        names: dict[str, list[Any]] = {}
        for session_id, user in ended:
            name, _, number = self.entry(session_id)
            names.setdefault(self.bucket(number), []).extend((name, ""))
            if user is not None:
                names.setdefault(self.user(user), []).extend((name, ""))
        self._client.run_many([(key, ("drop", "", *pairs)) for key, pairs in names.items()])

    def drop_dangling(self, user: str, entries: Entries, kept: Collection[int]) -> None:
        """Remove old entries of a user's index that name none of his sessions, unless written again since."""
        names = {keys.encode_id(session_id).encode() for session_id in kept}
        old = [
            (name, written)
            for name, written in entries.written.items()
            if name not in names and entries.now - written > GRACE
        ]
        self._drop({self.user(user): old})

    def down_from(self, newest: int, limit: int) -> list[int]:
        """Return up to ``limit`` ids, newest first, from ``newest`` down."""
        return self._walk(newest, limit, "ZREVRANGEBYSCORE", ("-inf",))

    def up_from(self, oldest: int, limit: int) -> list[int]:
        """Return up to ``limit`` ids, oldest first, from ``oldest`` up."""
        return self._walk(oldest, limit, "ZRANGEBYSCORE", ("+inf",))

    def drop_buckets(self, now: int) -> None:
        """Forget empty buckets that nobody writes into any more."""
        empty = [one for one, size in self._sizes() if size == 0 and is_old((one + 1) << _BITS, now)]
        self._client.pipeline([("ZREM", self.buckets, number) for number in empty])

    def _walk(self, start: int, limit: int, command: str, end: tuple[str]) -> list[int]:
        ids: list[int] = []
        bound: Any = start >> _BITS
        while len(ids) < limit:
            [numbers] = self._client.pipeline([(command, self.buckets, bound, *end, "LIMIT", 0, _AT_ONCE)])
            if not numbers:
                break
            numbers = [int(number) for number in numbers]
            starts = [start & _MASK if number == start >> _BITS else _other(end) for number in numbers]
            found = self._client.pipeline(
                [
                    (command, self.bucket(number), begin, *end, "LIMIT", 0, limit)
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
        """Return how many entries all buckets have."""
        return sum(size for _, size in self._sizes())

    def _sizes(self) -> Iterable[tuple[int, int]]:
        [found] = self._client.pipeline([("ZRANGE", self.buckets, 0, -1)])
        numbers = [int(number) for number in found]
        sizes = self._client.pipeline([("ZCARD", self.bucket(number)) for number in numbers])
        return zip(numbers, sizes, strict=True)


def is_old(session_id: int, now: int) -> bool:
    """Whether an id was made so long ago that nobody is still about to store its session."""
    return now - keys.made_at(session_id) > GRACE


def _written(flat: Iterable[bytes]) -> dict[bytes, int]:
    """Return entries, names and scores in turn, with when each was written."""
    turns = iter(flat)
    return {name: int(float(score)) for name, score in zip(turns, turns, strict=True)}


def _literal(text: str) -> str:
    """Return a text as a pattern of the server's that matches it alone."""
    return re.sub(r"([*?\[\]\\^-])", r"\\\1", text)


def _other(end: tuple[str]) -> str:
    return "+inf" if end == ("-inf",) else "-inf"
