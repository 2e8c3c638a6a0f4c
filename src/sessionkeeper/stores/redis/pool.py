"""A pool of redis-py's whose connections are lent without ceremony to the command that a request sends.

redis-py's own way to a connection and back (a queue, a look at the socket, metrics) costs more than the
command. So connections that were given back clean are kept aside, and lent again as they are. They count as
lent where redis-py counts: the pool is as large as it says, and whoever waits for a connection is given one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty
from typing import Any

from redis.connection import BlockingConnectionPool
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import MaxConnectionsError, ResponseError


class QuickPool(BlockingConnectionPool):
    """Safe under threads and after a fork, as redis-py's own."""

    def reset(self) -> None:
        """Begin anew, as the child of a fork does: what there was is the parent's."""
        self._aside: deque[Any] = deque()
        self._waiting: deque[None] = deque()
        super().reset()  # type: ignore[no-untyped-call]  # redis-py has no types for it

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection, as redis-py does."""
        self._waiting.append(None)  # from here on what is given back comes to redis-py's queue
        try:
            self._take_back(1)
            return super().get_connection(*args, **options)  # type: ignore[no-untyped-call]
        except LostConnection as error:
            if isinstance(error.__context__, Empty):  # which is how redis-py says that it waited in vain
                raise MaxConnectionsError("All connections are in use.") from None
            raise
        finally:
            self._waiting.pop()

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Close connections, as redis-py does; those kept aside are idle."""
        self._take_back(len(self._aside))
        super().disconnect(*args, **options)

    def command(self, *parts: Any) -> Any:
        """Run a command, and return its answer as it came.

        Raises:
            redis.RedisError: as redis-py's clients do; also where a connection was lost meanwhile.
        """
        return self._exchange(lambda connection: connection.pack_command(*parts), 1)[0]

    def exchange(self, packed: bytes, answers: int) -> Sequence[Any]:
        """Send commands in one go, and return their answers. See :meth:`command`."""
        return self._exchange(lambda _: (packed,), answers)

    def _exchange(self, pack: Callable[[Any], Sequence[bytes]], answers: int) -> Sequence[Any]:
        if self.pid != os.getpid():
            self._checkpid()
        connection = self._idle()
        if connection is None:
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
        # Whatever came, and at whatever point: nobody may read an answer that was meant for somebody else.
        connection.disconnect()
        self.release(connection)  # type: ignore[no-untyped-call]

    def _idle(self) -> Any:
        """Return a connection at hand; None: there is none."""
        if self._aside:
            with suppress(IndexError):
                return self._aside.pop()
        return None

    def _take_back(self, most: int) -> None:
        for _ in range(most):
            with suppress(IndexError):
                self.release(self._aside.pop())  # type: ignore[no-untyped-call]


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
