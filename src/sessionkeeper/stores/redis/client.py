"""The client of the Valkey/Redis store: runs the script, retries, and recognizes outages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from redis import exceptions
from redis.cluster import RedisCluster

from sessionkeeper.conf.redis_url import RedisUrl
from sessionkeeper.core import context
from sessionkeeper.core.errors import CorruptPayload, StoreBusy, StoreUnavailable, StoreUnreachable
from sessionkeeper.stores.redis import serialization
from sessionkeeper.stores.redis.connections import THREADS, LoopClients, Slots, connect, disconnect
from sessionkeeper.stores.redis.idle import Forgotten
from sessionkeeper.stores.redis.pool import QuickPool

SCRIPT = Path(__file__).with_name("script.lua").read_text(encoding="utf-8")
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_OTHER_TYPE = "WRONGTYPE"
#: The most commands in one pipeline, so that a pipeline stays far from the timeout.
_AT_ONCE = 500
_READ = b"*2\r\n$7\r\nHGETALL\r\n$%d\r\n%b\r\n*1\r\n$4\r\nTIME\r\n"
#: Errors that a retry on another connection may cure: the server restarted, the master is a replica now, or a
#: firewall forgot an idle connection.
_RETRIED = (exceptions.ConnectionError, exceptions.ReadOnlyError, Forgotten)
_NOT_RETRIED = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.BusyLoadingError,
    exceptions.MaxConnectionsError,
)
#: The channel on which the script publishes the sessions that it changes, for the current context.
_channel: ContextVar[str] = ContextVar("sessionkeeper_channel", default="")


class Client:
    """Runs commands at a server, a Unix socket, a master that Sentinels name, or a Cluster.

    Safe to share between threads, and after a fork, as redis-py's pools are. Every operation of the store is
    idempotent, so one that lost its connection is retried once, and so is one that timed out on a connection
    which had answered before. One that timed out on a fresh connection is not.

    In a greenlet (``greenlets``) it waits in the event loop, on that loop's own connections.
    """

    def __init__(self, url: RedisUrl) -> None:
        self.url = url
        self._loops = LoopClients(url)
        self._slots = Slots(url)

    @property
    def is_cluster(self) -> bool:
        """Whether keys live on several servers, so that a script can only reach some of them."""
        return self.url.way == "cluster"

    @cached_property
    def connection(self) -> Any:
        """The client of redis-py for threads."""
        return connect(self.url, THREADS)

    def read(self, key: str, time: str) -> tuple[list[bytes], datetime]:
        """Return the fields and values of a hash, alternating, and the time, the server's or the given one.

        One round trip: a plain pipeline, or the script in a Cluster (where only a key selects the server
        whose time is read), behind Sentinels and in event loops (which use redis-py's own pools).

        Raises:
            StoreUnavailable, CorruptPayload: see :meth:`run`.
        """
        if self.url.way not in {"server", "socket"} or context.in_greenlet():
            micros, fields = self.run([key], "find", time)
            return fields, serialization.moment(micros)
        with translate_errors():
            name = key.encode()
            packed = _READ % (len(name), name)
            fields, now = self._twice(lambda: self.connection.connection_pool.exchange(packed, 2))
        return fields, serialization.moment(time.encode()) if time else serialization.server_time(now)

    def run(self, keys: Sequence[str], *arguments: Any) -> Any:
        """Run the script. ``arguments`` begin with the operation and the time.

        Raises:
            StoreUnavailable: the server did not answer, or cannot run the script now.
            CorruptPayload: the key holds something other than a session.
        """
        with translate_errors():
            return self._twice(lambda: self._evaluate([len(keys), *keys, *arguments]))

    def run_many(self, calls: Iterable[tuple[str, Sequence[Any]]], again: Sequence[Any] = ()) -> list[Any]:
        """Run the script for several keys, each with its arguments, in one pipeline; not atomic as a whole.

        ``again`` is appended to the arguments in a retry, except in those that redis-py makes in a Cluster.
        """
        return self.pipeline([("EVALSHA", _SHA, 1, key, *arguments) for key, arguments in calls], again)

    def pipeline(self, commands: Sequence[tuple[Any, ...]], again: Sequence[Any] = ()) -> list[Any]:
        """Run commands in as few pipelines as possible, each at the node that has its key; not atomic.

        The answer for a key of another type is None. ``again``: see :meth:`run_many`.
        """
        rest, answers = iter(commands), []
        while batch := list(islice(rest, _AT_ONCE)):
            answers += self._pipeline(batch, again)
        return answers

    def _pipeline(self, commands: Sequence[tuple[Any, ...]], again: Sequence[Any]) -> list[Any]:
        with translate_errors():
            repeated = [(*command, *again) for command in commands] if again else commands
            answers: list[Any] = self._twice(partial(self._send, commands), partial(self._send, repeated))
            for position, answer in enumerate(answers):
                if isinstance(answer, exceptions.NoScriptError):
                    answers[position] = self._evaluate(list(commands[position][2:]))
                elif isinstance(answer, Exception):
                    if not str(answer).startswith(_OTHER_TYPE):
                        raise answer
                    answers[position] = None
        return answers

    def names(self, pattern: str) -> Iterator[str]:
        """Yield the names of all keys that match a pattern of the server's; some may occur twice.

        Scans all keys of the servers, a thousand at a time. Not for use in a greenlet.
        """
        with translate_errors():
            if self.is_cluster:
                nodes = [
                    self.connection.get_redis_connection(node) for node in self.connection.get_primaries()
                ]
            else:
                nodes = [self.connection]
        for node in nodes:
            cursor: Any = 0
            while True:
                with translate_errors(), self._slot():
                    scan = partial(node.scan, cursor, pattern, 1000)
                    cursor, found = self._twice(scan)
                yield from (name.decode(errors="replace") for name in found)
                if cursor == 0:
                    break

    def _send(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        if context.in_greenlet():
            return context.await_only(self._loops.pipeline(commands))
        with self._slot():
            client = self.connection
            pipe = client.pipeline() if self.is_cluster else client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command, **self._target(client, command))
            return list(pipe.execute(raise_on_error=False))

    def _target(self, client: Any, command: tuple[Any, ...]) -> dict[str, Any]:
        """Name the node of a script in a Cluster's pipeline, or redis-py asks a server for each script."""
        if self.is_cluster and command[0] == "EVALSHA":
            return {"target_nodes": client.get_node_from_key(command[3])}
        return {}

    def _slot(self) -> AbstractContextManager[None]:
        """Wait in a thread for a free connection, which the pool of a single server does by itself."""
        return self._slots.taken() if self.url.way in {"sentinel", "cluster"} else nullcontext()

    def _evaluate(self, rest: Sequence[Any]) -> Any:
        try:
            return self._command("EVALSHA", _SHA, *rest)
        except exceptions.NoScriptError:  # the server has restarted, or never saw it
            return self._command("EVAL", SCRIPT, *rest)

    def _command(self, *parts: Any) -> Any:
        if context.in_greenlet():
            return context.await_only(self._loops.command(*parts))
        pool = getattr(self.connection, "connection_pool", None)
        if isinstance(pool, QuickPool):
            return pool.command(*parts)
        with self._slot():
            return self.connection.execute_command(*parts)

    def _twice(self, function: Callable[[], Any], again: Callable[[], Any] | None = None) -> Any:
        try:
            answer = function()
        except _RETRIED as error:
            if isinstance(error, _NOT_RETRIED):
                raise
        else:
            if not (isinstance(answer, list) and any(isinstance(one, _RETRIED) for one in answer)):
                return answer
        self._close_idle()
        return (again or function)()

    def _close_idle(self) -> None:
        """Close idle connections: those to a former master would fail again."""
        if self.is_cluster:
            return
        if context.in_greenlet():
            context.await_only(self._loops.close_idle())
        else:
            self.connection.connection_pool.disconnect(inuse_connections=False)

    def information(self) -> list[dict[str, Any]]:
        """Return the INFO of each server that holds sessions."""
        with translate_errors(), self._slot():
            if self.is_cluster:
                told = self.connection.info(target_nodes=RedisCluster.PRIMARIES)
                return list(told.values()) if "redis_version" not in told else [told]
            return [self.connection.info()]

    def saving(self) -> bool:
        """Whether the servers write snapshots; True also where they refuse to tell."""
        try:
            with translate_errors(), self._slot():
                target = {"target_nodes": RedisCluster.RANDOM} if self.is_cluster else {}
                told = self.connection.config_get("save", **target)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, exceptions.ResponseError):  # as hosted servers do
                return True
            raise
        return bool(told.get("save"))

    def close(self) -> None:
        """Close the connections of threads."""
        connection = self.__dict__.pop("connection", None)
        if connection is not None:
            disconnect(connection)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._loops.close()


@contextmanager
def announced_on(name: str) -> Iterator[None]:
    """Have each write in this block publish its session on a channel, atomically with the write."""
    token = _channel.set(name)
    try:
        yield
    finally:
        _channel.reset(token)


def with_channel(operation: str) -> str:
    """Return an operation as the script takes it: followed by the channel, if there is one."""
    name = _channel.get()
    return f"{operation} {name}" if name else operation


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate redis-py's errors; those for values that cannot be sent pass through.

    Raises:
        StoreUnreachable: no connection, or no answer in time.
        StoreBusy: all connections of this process were in use.
        StoreUnavailable: the server cannot do this now.
        CorruptPayload: the key holds something other than a session.
    """
    try:
        yield
    except exceptions.DataError:
        raise  # a value that cannot be sent is the caller's error
    except (exceptions.RedisError, exceptions.RedisClusterException, OSError) as error:
        if str(error).startswith(_OTHER_TYPE):
            raise CorruptPayload("The stored session is of another type.") from error
        outage = StoreUnreachable if _is_unreachable(error) else StoreUnavailable
        if isinstance(error, exceptions.MaxConnectionsError):
            outage = StoreBusy
        raise outage("The session store did not answer.") from error


def _is_unreachable(error: Exception) -> bool:
    if isinstance(error, _NOT_RETRIED):
        return False
    silent = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)
    # Of exactly this class: none of the nodes that the URL names answered.
    return isinstance(error, silent) or type(error) is exceptions.RedisClusterException
