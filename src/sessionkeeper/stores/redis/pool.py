"""A pool of redis-py's whose connections are lent without ceremony to the command that a request sends.

redis-py's own way to a connection and back (a queue, a look at the socket, metrics) costs more than the
command. So connections that were given back clean are kept aside, and lent again as they are. They count as
lent where redis-py counts: the pool is as large as it says, and whoever waits for a connection is given one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.connection import BlockingConnectionPool
from redis.exceptions import ResponseError


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
            return super().get_connection(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types for it
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
        connection = self._lent()
        try:
            connection.send_packed_command(pack(connection), check_health=False)
            read = [_answer(connection) for _ in range(answers)]
        except BaseException:
            # Whatever came, and at whatever point: nobody may read an answer that was meant for this one.
            connection.disconnect()
            self.release(connection)  # type: ignore[no-untyped-call]
            raise
        self._aside.append(connection)
        if self._waiting:
            self._take_back(1)
        for answer in read:
            if isinstance(answer, ResponseError):
                raise answer
        return read

    def _lent(self) -> Any:
        if self.pid != os.getpid():
            self._checkpid()
        try:
            return self._aside.pop()
        except IndexError:
            return self.get_connection()

    def _take_back(self, most: int) -> None:
        for _ in range(most):
            try:
                connection = self._aside.pop()
            except IndexError:
                return
            self.release(connection)  # type: ignore[no-untyped-call]


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
