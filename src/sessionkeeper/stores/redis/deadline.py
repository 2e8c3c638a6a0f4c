"""A time limit for the server that does not run while the event loop itself is late.

An answer that has arrived is read when the loop comes to it. In a loop that is busy with requests, or held up
by code that blocks it, that may take longer than the limit, although the server answered at once. So a limit
is over only after the loop has looked several times.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

#: How often the loop looks before a limit is over.
LOOKS = 8


class Deadline:
    """As ``asyncio.timeout``, for a part of the limit after each look. Raises ``TimeoutError``."""

    __slots__ = ("_left", "_loop", "_part", "_timeout", "_timer")

    def __init__(self, seconds: float) -> None:
        self._part, self._left = seconds / LOOKS, LOOKS
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle = self._loop.call_later(self._part, self._look)

    def _look(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._timer = self._loop.call_later(self._part, self._look)
        else:
            # Once more through the loop: what has just arrived is read first.
            self._timer = self._loop.call_soon(self._expire)

    def _expire(self) -> None:
        self._timeout.reschedule(self._loop.time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)
