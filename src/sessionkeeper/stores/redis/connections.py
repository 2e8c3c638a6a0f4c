"""Connections to the Valkey or Redis that a URL names: for threads, and for each event loop its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import redis.asyncio
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import MaxConnectionsError

from sessionkeeper.conf.redis_url import RedisUrl
from sessionkeeper.core import own_queue
from sessionkeeper.stores import forks
from sessionkeeper.stores.redis import idle
from sessionkeeper.stores.redis.deadline import Deadline
from sessionkeeper.stores.redis.pool import QuickPool


def _classes(package: Any, pool: type, kept: Callable[[type, idle.Doubts], type]) -> dict[str, Any]:
    """Return the classes of redis-py's package for threads or for event loops, which name them alike."""
    return {
        "client": package.Redis.from_pool,
        "pool": pool,
        "plain": package.connection.Connection,
        "tls": package.connection.SSLConnection,
        "socket": package.connection.UnixDomainSocketConnection,
        "cluster": package.cluster.RedisCluster,
        "node": package.cluster.ClusterNode,
        "sentinel": package.sentinel.Sentinel,
        "watchers": package.ConnectionPool,
        "plain of sentinel": package.sentinel.SentinelManagedConnection,
        "tls of sentinel": package.sentinel.SentinelManagedSSLConnection,
        "retry": package.retry.Retry,
        "kept": kept,
    }


THREADS = _classes(redis, QuickPool, idle.of_threads)
LOOPS = _classes(redis.asyncio, redis.asyncio.BlockingConnectionPool, idle.of_loops)
#: The socket options of keepalive, where the system has them, and the attributes of ``RedisUrl``.
_KEEPALIVE = {
    "TCP_KEEPIDLE": "keepalive",
    "TCP_KEEPINTVL": "keepalive_interval",
    "TCP_KEEPCNT": "keepalive_count",
}


def connect(url: RedisUrl, classes: dict[str, Any]) -> Any:
    """Return a client of redis-py. One for threads asks a Cluster for its nodes at once."""
    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "socket_timeout": url.timeout if classes is THREADS else None,  # see idle.py for those of loops
        "socket_connect_timeout": url.connect_timeout if classes is THREADS else None,
        "protocol": 2,
        **url.ssl,
    }
    if url.way != "socket":
        options |= {"socket_keepalive": True, "socket_keepalive_options": _keepalive(url)}
    doubts = _doubts(url)
    if url.way == "cluster":
        kept = classes["kept"](classes["tls" if url.tls else "plain"], doubts)
        return _cluster(url, options, classes, kept)
    options |= {"db": url.db, "retry": classes["retry"](NoBackoff(), 0)}
    if url.way == "sentinel":
        return _by_sentinel(url, options, classes, doubts)
    if url.way == "socket":
        kind, options["path"] = "socket", url.path
    else:
        kind, (options["host"], options["port"]) = "tls" if url.tls else "plain", url.hosts[0]
    options["connection_class"] = classes["kept"](classes[kind], doubts)
    pool = classes["pool"](max_connections=url.connections, timeout=url.queue_timeout, **options)
    return classes["client"](pool)


def disconnect(client: Any) -> None:
    """Close a client for threads, and what redis-py leaves open: the pools of nodes, and Sentinels."""
    if isinstance(client, RedisCluster):
        for node in client.get_nodes():  # type: ignore[no-untyped-call]  # redis-py has no types for it
            if node.redis_connection is not None:
                node.redis_connection.connection_pool.disconnect()
    else:
        for watcher in getattr(getattr(client.connection_pool, "sentinel_manager", None), "sentinels", ()):
            watcher.close()
    client.close()


def _doubts(url: RedisUrl) -> idle.Doubts:
    return idle.Doubts(url.health_check_interval, url.timeout, url.connect_timeout)


def _keepalive(url: RedisUrl) -> dict[int, int]:
    found = {getattr(socket, name, None): getattr(url, value) for name, value in _KEEPALIVE.items()}
    return {option: value for option, value in found.items() if option is not None}


def _cluster(url: RedisUrl, options: dict[str, Any], classes: dict[str, Any], kept: type) -> Any:
    options |= {
        "startup_nodes": [classes["node"](host, port) for host, port in url.hosts],
        "retry": classes["retry"](NoBackoff(), 1),
        "max_connections": url.connections,
        "require_full_coverage": False,
    }
    if classes is THREADS:
        # It accepts a connection class only with a URL; this is the first of the startup nodes.
        host, port = url.hosts[0]
        place = f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"
        return classes["cluster"](url=place, connection_class=kept, **options)
    client = classes["cluster"](ssl=url.tls, **options)
    client.connection_kwargs["connection_class"] = kept  # of nodes that it discovers
    for node in client.nodes_manager.startup_nodes.values():
        node.connection_class = kept
    return client


def _by_sentinel(url: RedisUrl, options: dict[str, Any], classes: dict[str, Any], doubts: idle.Doubts) -> Any:
    kind = "tls" if url.tls else "plain"
    kept = classes["kept"](classes[f"{kind} of sentinel"], doubts)
    sentinel = classes["sentinel"]([], **options)
    own = options | {
        "username": url.sentinel_username,
        "password": url.sentinel_password,
        "db": 0,
        # Sentinels are asked for the master when a connection is lost, perhaps after hours, so retry once.
        "retry": classes["retry"](NoBackoff(), 1, supported_errors=(idle.Forgotten,)),
        "connection_class": classes["kept"](classes[kind], _doubts(url)),
    }
    sentinel.sentinels = [
        classes["client"](classes["watchers"](host=host, port=port, **own)) for host, port in url.hosts
    ]
    return sentinel.master_for(url.service, max_connections=url.connections, connection_class=kept)


class Slots:
    """Limits how many threads use the servers at once. Others wait in order, up to the queue timeout.

    redis-py's pools for Sentinels and Clusters fail at once where its pool for a single server waits.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._most, self._seconds = url.connections, url.queue_timeout
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Free all slots; for the child of a fork."""
        self._lock, self._free = threading.Lock(), self._most
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            MaxConnectionsError: no slot became free in time.
        """
        self._take()
        try:
            yield
        finally:
            self._give_back()

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        with own_queue.waiting():
            has_turn = turn.acquire(timeout=self._seconds)
        if has_turn:
            return
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                raise MaxConnectionsError("All connections are in use.")

    def _give_back(self) -> None:
        with self._lock:
            # Handed to the thread that has waited longest, or the running thread would always win.
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class LoopClients:
    """A client for each event loop: a loop never uses what another one opened.

    Each is closed before its loop ends (by ``loop.shutdown_asyncgens``, which ``asyncio.run`` calls).
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._opening: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[_Opened]]
        self._opening = WeakKeyDictionary()

    async def command(self, *parts: Any) -> Any:
        """Run a command."""
        async with self._connected() as client:
            return await client.execute_command(*parts)

    async def pipeline(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run commands in one pipeline; an answer may be an exception."""
        async with self._connected() as client:
            pipe = client.pipeline() if self._url.way == "cluster" else client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def close_idle(self) -> None:
        """Close idle connections; not for a Cluster."""
        async with self._connected() as client:
            await client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        opening = self._opening.pop(asyncio.get_running_loop(), None)
        if opening is not None:
            await (await opening).until_the_end.aclose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        opened = await self._opened()
        if opened.slots.locked():
            await self._wait(opened.slots)
        else:
            await opened.slots.acquire()
        try:
            yield opened.client
        finally:
            opened.slots.release()

    async def _wait(self, slots: asyncio.Semaphore) -> None:
        """Wait in our own queue, which the circuit breaker does not take for the server's silence."""
        try:
            with own_queue.waiting():
                async with Deadline(self._url.queue_timeout):
                    await slots.acquire()
        except TimeoutError:
            raise MaxConnectionsError("All connections are in use.") from None
        try:
            own_queue.go_on()
        except BaseException:
            slots.release()
            raise

    async def _opened(self) -> _Opened:
        loop = asyncio.get_running_loop()
        opening = self._opening.get(loop)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            for old in [old for old in self._opening if old.is_closed()]:
                del self._opening[old]
            opening = self._opening[loop] = loop.create_task(_open(self._url))
        return opening.result() if opening.done() else await asyncio.shield(opening)


class _Opened(NamedTuple):
    """A loop's client, its free connections, and the generator that closes it."""

    client: Any
    slots: asyncio.Semaphore
    until_the_end: AsyncGenerator[None]


async def _open(url: RedisUrl) -> _Opened:
    client = connect(url, LOOPS)
    until_the_end = _until_the_end(client)
    await anext(until_the_end)
    if url.way == "cluster":
        try:
            await client.initialize()  # which concurrent tasks must not do
        except BaseException:
            await until_the_end.aclose()
            raise
    return _Opened(client, asyncio.Semaphore(url.connections), until_the_end)


async def _until_the_end(client: Any) -> AsyncGenerator[None]:
    """Close a client when the loop in which this was started closes its generators."""
    try:
        yield
    finally:
        await client.aclose()
        pool = getattr(client, "connection_pool", None)
        for watcher in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
            await watcher.aclose()
