"""A pool of redis-py with a fast path for the command that a request sends.

Taking a connection from redis-py's pool and returning it (a queue, a check of the socket, metrics) costs more
than the command. So connections that are clean after use are kept aside and reused as they are. redis-py
counts them as in use: the pool keeps its size, and a thread that waits for a connection gets one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from queue import Empty
from typing import Any

from redis.connection import BlockingConnectionPool
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import MaxConnectionsError, ResponseError

from sessionkeeper.core import own_queue


class QuickPool(BlockingConnectionPool):
    """Safe under threads and after a fork, as redis-py's own pools are."""

    def reset(self) -> None:
        """Start with no connections; for the child of a fork."""
        self._aside: deque[Any] = deque()
        self._waiting: deque[None] = deque()
        super().reset()  # type: ignore[no-untyped-call]  # redis-py has no types for it

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection, as redis-py does."""
        self._waiting.append(None)  # from now on, returned connections go to redis-py's queue
        try:
            self._take_back(1)
            with own_queue.waiting() if self.pool.empty() else nullcontext():
                return super().get_connection(*args, **options)  # type: ignore[no-untyped-call]
        except LostConnection as error:
            if isinstance(error.__context__, Empty):  # how redis-py reports that no connection became free
                raise MaxConnectionsError("All connections are in use.") from None
            raise
        finally:
            self._waiting.pop()

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Close connections, as redis-py does; those kept aside are idle."""
        self._take_back(len(self._aside))
        super().disconnect(*args, **options)

    def command(self, *parts: Any) -> Any:
        """Run a command, and return its raw answer.

        Raises:
            redis.RedisError: as redis-py's clients do; also where an idle connection was lost.
        """
        return self._exchange(lambda connection: connection.pack_command(*parts), 1)[0]

    def exchange(self, packed: bytes, answers: int) -> Sequence[Any]:
        """Send packed commands at once, and return their answers. See :meth:`command`."""
        return self._exchange(lambda _: (packed,), answers)

    def _exchange(self, pack: Callable[[Any], Sequence[bytes]], answers: int) -> Sequence[Any]:
        if self.pid != os.getpid():
            self._checkpid()
        try:
            connection = self._aside.pop()
        except IndexError:
            connection = self.get_connection()
        try:
            connection.send_packed_command(pack(connection))
            read = [_answer(connection) for _ in range(answers)]
        except BaseException:
            self._close(connection)
            raise
        self._aside.append(connection)
        if self._waiting:
            self._take_back(1)
        for answer in read:
            if isinstance(answer, ResponseError):
                raise answer
        return read

    def _close(self, connection: Any) -> None:
        # An answer that is still to come must not be read by another command.
        connection.disconnect()
        self.release(connection)  # type: ignore[no-untyped-call]

    def _take_back(self, most: int) -> None:
        for _ in range(most):
            with suppress(IndexError):
                self.release(self._aside.pop())  # type: ignore[no-untyped-call]


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
