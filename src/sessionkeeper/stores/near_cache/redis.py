"""The near cache's channel over Valkey or Redis: ``SUBSCRIBE``, and ``PUBLISH`` with the write.

The script that changes a session tells of it in the same step, and a server sends its subscribers what there
is to tell before it answers them. In a Cluster each master is listened to, since each has sessions, and is
asked for an answer; all of them have to give one. That the masters are still the same ones is looked at too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores.database import transactions
from sessionkeeper.stores.near_cache.channel import ListeningChannel, log
from sessionkeeper.stores.near_cache.entries import ALL, of_session
from sessionkeeper.stores.near_cache.subscriber import Subscriber
from sessionkeeper.stores.redis import user_lookup
from sessionkeeper.stores.redis.client import Client, announced_on
from sessionkeeper.stores.redis.connections import THREADS, connect, disconnect

#: Seconds between two looks at who the masters are.
_LOOK = 1.0


class RedisChannel(ListeningChannel):
    """A ``Channel`` at the servers of a store, whose client this is."""

    alias: str | None = None

    def __init__(self, client: Client) -> None:
        self._client = client
        url = client.url
        self.name = f"{url.prefix}near:{url.db}"
        super().__init__()

    # Listening

    def open_connection(self) -> Any:
        """Return connections to all masters, which listen."""
        return _Subscribers(self._client.url, self.name)

    def ask(self, connection: Any) -> None:
        """Ask all of them."""
        for member in connection.members:
            member.ask()

    def take_in(self, connection: Any) -> bool:
        """Read what all of them have; the answer is that all have answered."""
        for member in connection.members:
            member.take_in(self._hear)
        return not any(member.asked for member in connection.members)

    def _hear(self, text: str) -> None:
        if ":" in text or text == ALL:
            self.hear(text)
            return
        session_id = keys.parse_id(text)
        self.hear(ALL if session_id is None else of_session(session_id))

    def is_elsewhere(self, connection: Any) -> bool:
        """Whether there are other masters than those that are listened to; False where nobody says so."""
        return bool(connection.is_elsewhere())

    def abandon(self, connection: Any) -> None:
        """Close the sockets of this process, and say nothing to the servers."""
        for member in connection.members:
            member.abandon()

    # Telling

    def is_usual(self) -> bool:
        """See the contract. Users are read from the database."""
        return transactions.reads_committed(user_lookup.users_database())

    def announcing(self) -> AbstractContextManager[Any]:
        """See the contract."""
        return announced_on(self.name)

    def publish(self, message: str) -> None:
        """See the contract: after the commit, until which others read what was there before."""
        self.after_commit(partial(self._publish, message))

    def _publish(self, message: str) -> None:
        try:
            self._client.run([self.name], "tell", "", self.name, message)
        except StoreUnavailable:
            log.warning("Other processes could not be told that a user changed: they see it after the lease.")

    def after_commit(self, function: Callable[[], None]) -> None:
        """See the contract."""
        transactions.after_commit(user_lookup.users_database(), function)


class _Subscribers:
    """A subscription at each master, and a client of its own that finds them."""

    def __init__(self, url: Any, name: str) -> None:
        self._client = connect(url, THREADS)
        self._way = url.way
        self.members: list[Subscriber] = []
        self._looked_at, self._is_looking, self._moved = time.monotonic(), False, False
        try:
            self._masters = self._find()
            for pool in self._pools():
                own = pool.connection_class(**pool.connection_kwargs)
                self.members.append(Subscriber(own, name, url.connect_timeout + url.timeout))
        except BaseException:
            self.close()
            raise

    def _pools(self) -> Iterator[Any]:
        if self._way != "cluster":
            yield self._client.connection_pool
            return
        for node in self._client.get_primaries():
            yield self._client.get_redis_connection(node).connection_pool

    def _find(self) -> frozenset[Any]:
        if self._way == "cluster":
            self._client.nodes_manager.initialize()
            return frozenset(node.name for node in self._client.get_primaries())
        if self._way == "sentinel":
            pool = self._client.connection_pool
            return frozenset([pool.sentinel_manager.discover_master(pool.service_name)])
        return frozenset()

    def is_elsewhere(self) -> bool:
        """Whether a look has found other masters. Begin the next one, which may take long, if it is due."""
        now = time.monotonic()
        if self._way in {"cluster", "sentinel"} and now - self._looked_at >= _LOOK and not self._is_looking:
            self._looked_at, self._is_looking = now, True
            threading.Thread(target=self._look, name="sessionkeeper-look", daemon=True).start()
        return self._moved

    def _look(self) -> None:
        with suppress(Exception):  # nobody who knows answers: the answers of those we know have to do
            self._moved = self._find() != self._masters
        self._is_looking = False

    def close(self) -> None:
        for member in self.members:
            member.close()
        disconnect(self._client)
