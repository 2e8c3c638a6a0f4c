"""The near cache's channel over Valkey or Redis: ``SUBSCRIBE``, and ``PUBLISH`` with the write.

The script that changes a session publishes the change in the same step, and a server sends its subscribers
every pending message before it answers them. In a Cluster each master holds sessions, so the channel listens
to all of them, and each must answer the ping. The channel also checks that the masters are still the same.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any

from hiredis import Reader

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores.database import transactions
from sessionkeeper.stores.near_cache.channel import Channel, log
from sessionkeeper.stores.near_cache.entries import ALL, of_session
from sessionkeeper.stores.redis import user_lookup
from sessionkeeper.stores.redis.client import Client, announced_on
from sessionkeeper.stores.redis.connections import THREADS, connect, disconnect

#: Seconds between two searches for new masters.
_SEARCH_INTERVAL = 1.0
_CHUNK = 65_536
_PING = b"*1\r\n$4\r\nPING\r\n"
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class RedisChannel(Channel):
    """A channel at the servers of a store.

    Args:
        client: the store's client.
    """

    alias: str | None = None

    def __init__(self, client: Client) -> None:
        self._client = client
        url = client.url
        self.name = f"{url.prefix}near:{url.db}"
        super().__init__()

    # Receiving

    def open_connection(self) -> Any:
        """Return subscriptions at all masters."""
        return _Subscriptions(self._client.url, self.name)

    def ping(self, connection: Any) -> None:
        """Ping all of them."""
        for member in connection.members:
            member.ping()

    def read_messages(self, connection: Any) -> bool:
        """Read what all of them have received; the answer counts once all have answered."""
        for member in connection.members:
            member.read_messages(self._deliver_text)
        return not any(member.awaits_pong for member in connection.members)

    def _deliver_text(self, text: str) -> None:
        if ":" in text or text == ALL:
            self._deliver(text)
            return
        session_id = keys.parse_id(text)
        self._deliver(ALL if session_id is None else of_session(session_id))

    def has_moved(self, connection: Any) -> bool:
        """Whether there are other masters than the subscribed ones; False where no server tells."""
        return bool(connection.has_moved())

    def abandon(self, connection: Any) -> None:
        """Close this process's sockets without telling the servers."""
        for member in connection.members:
            member.abandon()

    # Sending

    def reads_committed(self) -> bool:
        """Whether a read of users, which the database holds, sees everything that was committed before it."""
        return transactions.reads_committed(user_lookup.users_database())

    def announcing(self) -> AbstractContextManager[Any]:
        """Have the store's script publish the sessions that it changes in this block."""
        return announced_on(self.name)

    def publish(self, message: str) -> None:
        """Send a message once the current transaction is committed: until then, reads see the old state."""
        self.after_commit(partial(self._publish, message))

    def _publish(self, message: str) -> None:
        try:
            self._client.run([self.name], "tell", "", self.name, message)
        except StoreUnavailable:
            log.warning("Other processes could not be told that a user changed: they see it after the lease.")

    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` now, or once the current transaction on the users' database is committed."""
        transactions.after_commit(user_lookup.users_database(), function)


class _Subscriptions:
    """A subscription at each master, and a separate client that finds the masters."""

    def __init__(self, url: Any, name: str) -> None:
        self._client = connect(url, THREADS)
        self._way = url.way
        self.members: list[Subscriber] = []
        self._searched_at, self._is_searching, self._has_moved = time.monotonic(), False, False
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

    def has_moved(self) -> bool:
        """Whether a search has found other masters. Starts the next search in a thread if it is due."""
        now = time.monotonic()
        is_due = now - self._searched_at >= _SEARCH_INTERVAL and not self._is_searching
        if self._way in {"cluster", "sentinel"} and is_due:
            self._searched_at, self._is_searching = now, True
            threading.Thread(target=self._search, name="sessionkeeper-look", daemon=True).start()
        return self._has_moved

    def _search(self) -> None:
        with suppress(Exception):  # without an answer, the known masters remain
            self._has_moved = self._find() != self._masters
        self._is_searching = False

    def close(self) -> None:
        for member in self.members:
            member.close()
        disconnect(self._client)


class Subscriber:
    """A subscription to one channel of one server, read without waiting.

    Args:
        connection: a connection of redis-py that nothing else uses, not connected yet.
        name: the channel.
        seconds: the timeout for connecting and subscribing.
    """

    def __init__(self, connection: Any, name: str, seconds: float) -> None:
        self._connection = connection
        self._reader = Reader()
        self.awaits_pong = False
        connection.connect()
        self._socket: socket.socket = connection._sock  # noqa: SLF001 - read past redis-py, which would wait
        try:
            self._subscribe(name.encode(), seconds)
            self._socket.setblocking(False)
            self._poll = _poll_of(self._socket)
        except BaseException:
            self.close()
            raise

    def _subscribe(self, name: bytes, seconds: float) -> None:
        self._socket.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(name), name))
        end = time.monotonic() + seconds
        while (reply := next_reply(self._reader)) is None:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            self._reader.feed(self._received())
        if reply[0] != b"subscribe":
            raise ConnectionError("the server refuses the subscription")

    def _received(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def ping(self) -> None:
        """Send a ping."""
        self._socket.send(_PING)
        self.awaits_pong = True

    def read_messages(self, deliver: Callable[[str], None]) -> None:
        """Deliver what has arrived, without waiting; a pong clears ``awaits_pong``."""
        if self._poll is not None and not self._poll.poll(0):  # cheaper than a read that finds nothing
            return
        try:
            while True:
                self._reader.feed(self._received())
        except _NOTHING_YET:
            pass
        while (reply := next_reply(self._reader)) is not None:
            if reply[0] == b"message":
                deliver(reply[-1].decode(errors="replace"))
            elif reply[0] == b"pong":
                self.awaits_pong = False

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def abandon(self) -> None:
        """Close this process's socket without telling the server."""
        self._socket.close()


def next_reply(reader: Reader) -> list[Any] | None:
    """Return the next array that a subscriber received; None while it is incomplete.

    Raises:
        ConnectionError, hiredis.HiredisError: the server sent something else, such as an error.
    """
    reply = reader.gets()
    if reply is False:
        return None
    if not isinstance(reply, list):
        raise ConnectionError(f"the server says {reply!r}")
    return reply


def _poll_of(sock: socket.socket) -> Any:
    """Return what tells whether a socket can be read; None for TLS, which may hold buffered data."""
    if not hasattr(select, "poll") or isinstance(sock, ssl.SSLSocket):
        return None
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll
