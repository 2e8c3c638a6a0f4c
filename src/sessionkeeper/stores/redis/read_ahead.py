"""A read that was sent before anybody asked for it (``READ_AHEAD``): on its way while Django finds the view.

It belongs to one request, which takes it once, soon, and before it has changed anything itself; else it is
thrown away, and the session read when it is asked for. So it is never older than the request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ConnectionError as LostConnection

from sessionkeeper.core import context
from sessionkeeper.stores.redis.idle import Forgotten
from sessionkeeper.stores.redis.pool import QuickPool

#: Seconds after which an answer is thrown away: whoever asks so late is not helped much by it.
FRESH = 0.05


class Ahead:
    """A read that was sent. Whoever has it must :meth:`take` or :meth:`drop` it."""

    __slots__ = ("_answers", "_clock", "_key", "_lent", "_pool", "_sent_at")

    def __init__(
        self,
        pool: QuickPool,
        key: str,
        packed: bytes,
        answers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._key, self._answers, self._clock = pool, key, answers, clock
        self._sent_at = clock()
        # Taken out of it once, whichever thread of the request comes first: pop() is one step.
        self._lent: list[Any] = [pool.begin(packed)]

    def take(self, key: str) -> Sequence[Any] | None:
        """Return the answers if they are about ``key`` and fresh; None: ask.

        Raises:
            redis.RedisError: the answer says so, or did not come in time.
        """
        if key != self._key or self._clock() - self._sent_at > FRESH:
            self.drop()
            return None
        connection = self._taken()
        if connection is None:
            return None
        try:
            return self._pool.finish(connection, self._answers)
        except (LostConnection, Forgotten):
            return None

    def drop(self) -> None:
        """Do without it."""
        connection = self._taken()
        if connection is not None:
            self._pool.discard(connection, self._answers)

    def _taken(self) -> Any:
        try:
            return self._lent.pop()
        except IndexError:
            return None


def taken() -> Ahead | None:
    """Return what the request under way has sent ahead, once: whoever has it must see to it."""
    this = context.get()
    ahead: Ahead | None = this.ahead
    this.ahead = None
    return ahead


def drop() -> None:
    """Do without what the request under way has sent ahead: it changes something, or is over."""
    ahead = taken()
    if ahead is not None:
        ahead.drop()
