"""How the Valkey/Redis store speaks to its server: connections, the script, retries, what is an outage."""

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
from sessionkeeper.core import greenlets
from sessionkeeper.core.errors import CorruptPayload, StoreBusy, StoreUnavailable, StoreUnreachable
from sessionkeeper.stores.redis import serialization
from sessionkeeper.stores.redis.connections import THREADS, LoopClients, Slots, connect, disconnect
from sessionkeeper.stores.redis.idle import Forgotten
from sessionkeeper.stores.redis.pool import QuickPool

SCRIPT = Path(__file__).with_name("script.lua").read_text(encoding="utf-8")
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_OTHER_TYPE = "WRONGTYPE"
#: Commands that are sent in one go: what one pipeline takes must not near a time-out.
_AT_ONCE = 500
_READ = b"*2\r\n$7\r\nHGETALL\r\n$%d\r\n%b\r\n*1\r\n$4\r\nTIME\r\n"
#: What a second try on another connection may heal: a server that restarted, a master that is a replica now,
#: a firewall that forgot an idle connection.
_RETRIED = (exceptions.ConnectionError, exceptions.ReadOnlyError, Forgotten)
_NOT_RETRIED = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.BusyLoadingError,
    exceptions.MaxConnectionsError,
)
#: The channel on which the scripts tell of the sessions that they change, for the code that runs now.
_channel: ContextVar[str] = ContextVar("sessionkeeper_channel", default="")


class Client:
    """Runs commands at a server, a Unix socket, a master that Sentinels name, or a Cluster.

    Safe to share between threads, and after a fork: redis-py's pools are. Every operation of the store may be
    run twice, so one that lost its connection is tried once more, also one that timed out on a connection
    which had answered before. One that timed out on a fresh connection is not.

    In a greenlet (``greenlets``) it waits in the event loop, over that loop's own connections.
    """

    def __init__(self, url: RedisUrl) -> None:
        self.url = url
        self._loops = LoopClients(url)
        self._slots = Slots(url)

    @property
    def is_cluster(self) -> bool:
        """Whether keys live on several servers, so that a script sees only one of them."""
        return self.url.way == "cluster"

    @cached_property
    def connection(self) -> Any:
        """The client of redis-py for threads."""
        return connect(self.url, THREADS)

    def read(self, key: str, time: str) -> tuple[list[bytes], datetime]:
        """Return a hash, fields and values in turn, and the server's time or the given one: one round trip.

        By the script where nothing else can: in a Cluster each server has a time, and only a key says which
        one is asked; Sentinels and event loops have pools of redis-py's own.

        Raises:
            StoreUnavailable, CorruptPayload: see :meth:`run`.
        """
        if self.url.way not in {"server", "socket"} or greenlets.in_greenlet():
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
            StoreUnavailable: no answer, or one that says that the server cannot answer now.
            CorruptPayload: the key holds something that is no session.
        """
        with translate_errors():
            return self._twice(lambda: self._evaluate([len(keys), *keys, *arguments]))

    def run_many(self, calls: Iterable[tuple[str, Sequence[Any]]], again: Sequence[Any] = ()) -> list[Any]:
        """Run the script for several keys, each with its arguments, in one go; not atomic together.

        ``again`` is added to the arguments when that is tried once more, but for what redis-py itself tries
        again in a Cluster.
        """
        return self.pipeline([("EVALSHA", _SHA, 1, key, *arguments) for key, arguments in calls], again)

    def pipeline(self, commands: Sequence[tuple[Any, ...]], again: Sequence[Any] = ()) -> list[Any]:
        """Run commands in one go, or in several if they are many, each at the node that has its key.

        They are not atomic together. The answer for a key that holds something else is None. ``again``: as
        for :meth:`run_many`.
        """
        turns, answers = iter(commands), []
        while some := list(islice(turns, _AT_ONCE)):
            answers += self._pipeline(some, again)
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
        """Yield the names of all keys that match a pattern of the server's; some may come twice.

        It goes through all keys that the servers have, a thousand at a time. Not in a greenlet.
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
        if greenlets.in_greenlet():
            return greenlets.await_only(self._loops.pipeline(commands))
        with self._slot():
            client = self.connection
            pipe = client.pipeline() if self.is_cluster else client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command, **self._target(client, command))
            return list(pipe.execute(raise_on_error=False))

    def _target(self, client: Any, command: tuple[Any, ...]) -> dict[str, Any]:
        """Say where a script of a Cluster's pipeline goes: redis-py asks a server, for each of them."""
        if self.is_cluster and command[0] == "EVALSHA":
            return {"target_nodes": client.get_node_from_key(command[3])}
        return {}

    def _slot(self) -> AbstractContextManager[None]:
        """Wait, in a thread, until there is a connection for it: the pool of a server does that itself."""
        return self._slots.taken() if self.url.way in {"sentinel", "cluster"} else nullcontext()

    def _evaluate(self, rest: Sequence[Any]) -> Any:
        try:
            return self._command("EVALSHA", _SHA, *rest)
        except exceptions.NoScriptError:  # a server that has restarted, or never saw it
            return self._command("EVAL", SCRIPT, *rest)

    def _command(self, *parts: Any) -> Any:
        if greenlets.in_greenlet():
            return greenlets.await_only(self._loops.command(*parts))
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
        self._let_go()
        return (again or function)()

    def _let_go(self) -> None:
        """Close idle connections: those to a master that is a replica now would refuse again."""
        if self.is_cluster:
            return
        if greenlets.in_greenlet():
            greenlets.await_only(self._loops.close_idle())
        else:
            self.connection.connection_pool.disconnect(inuse_connections=False)

    def information(self) -> list[dict[str, Any]]:
        """Return what each server that holds sessions says of itself (INFO)."""
        with translate_errors(), self._slot():
            if self.is_cluster:
                told = self.connection.info(target_nodes=RedisCluster.PRIMARIES)
                return list(told.values()) if "redis_version" not in told else [told]
            return [self.connection.info()]

    def saving(self) -> bool:
        """Whether the servers write snapshots; True also where they do not tell."""
        try:
            with translate_errors(), self._slot():
                target = {"target_nodes": RedisCluster.RANDOM} if self.is_cluster else {}
                told = self.connection.config_get("save", **target)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, exceptions.ResponseError):  # hosted ones keep it to themselves
                return True
            raise
        return bool(told.get("save"))

    def close(self) -> None:
        """Close the connections of threads."""
        connection = self.__dict__.pop("connection", None)
        if connection is not None:
            disconnect(connection)

    async def aclose(self) -> None:
        """Close the connections of the event loop that runs now."""
        await self._loops.close()


@contextmanager
def announced_on(name: str) -> Iterator[None]:
    """Have every write inside of this tell of its session there, in the same step."""
    token = _channel.set(name)
    try:
        yield
    finally:
        _channel.reset(token)


def with_channel(operation: str) -> str:
    """Return an operation as the script takes it: with the channel behind it, if there is one."""
    name = _channel.get()
    return f"{operation} {name}" if name else operation


@contextmanager
def translate_errors() -> Iterator[None]:
    """Make StoreUnavailable of everything that says that there is no answer now.

    Raises:
        StoreUnreachable: no connection, or no answer in time.
        StoreBusy: all connections of this process were in use.
        StoreUnavailable: the server says that it cannot do this now.
        CorruptPayload: a key of ours holds what no session is.
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
    # Of its own class: none of the nodes that the URL names could be asked.
    return isinstance(error, silent) or type(error) is exceptions.RedisClusterException
