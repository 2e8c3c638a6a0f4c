"""Connections that a firewall has forgotten, although the server is well.

Firewalls and load balancers forget connections after minutes without traffic, and silently drop what is sent
on them later. So a timeout on a connection that has answered before says nothing about the server, and raises
:class:`Forgotten`. Every connection of the client that was open by then is reopened before its next use, and
the command that timed out may be retried, which then happens on a fresh connection.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from sessionkeeper.stores.redis.deadline import Deadline


class Forgotten(NoAnswer):
    """A connection that had answered before did not answer in time."""


class Doubts:
    """State that the connections of one client share.

    Attributes:
        number: how often one of them was forgotten. Those opened before the last time are doubted.
        interval: idle seconds after which a connection is checked with a PING before use; 0: never.
        timeout, connect_timeout: seconds for an answer, and to connect, in event loops.
    """

    __slots__ = ("connect_timeout", "interval", "number", "timeout")

    def __init__(self, interval: int, timeout: float = 1.0, connect_timeout: float = 1.0) -> None:
        self.number, self.interval = 0, interval
        self.timeout, self.connect_timeout = timeout, connect_timeout


class _Kept:
    """What connections for threads and for event loops have in common."""

    doubts: Doubts
    #: The ``doubts.number`` at the time it was opened; None while it is being opened.
    _opened_at: int | None = None
    _has_answered = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.health_check_interval = self.doubts.interval

    def _is_doubted(self) -> bool:
        """Whether it must be reopened before its next use."""
        return self._opened_at != self.doubts.number and self._opened_at is not None

    def _begin(self) -> int:
        self._opened_at, self._has_answered = None, False
        return self.doubts.number

    def _opened(self, number: int) -> None:
        self._opened_at, self._has_answered = number, False  # an answer to the greeting does not count

    def _timed_out(self, error: NoAnswer) -> NoAnswer:
        """Return the error that a timeout means."""
        if not self._has_answered:
            return error
        self.doubts.number += 1
        return Forgotten(str(error))


class _OfThreads(_Kept):
    _sock: Any

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        if self._sock is None:
            number = self._begin()
            super().connect_check_health(*args, **options)  # type: ignore[misc]  # redis-py's
            self._opened(number)

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        if self._is_doubted() and self._sock is not None:
            self.disconnect()  # type: ignore[attr-defined]
            self.connect()  # type: ignore[attr-defined]  # with Sentinels, to the current master
        super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().read_response(*args, **options)  # type: ignore[misc]
        except NoAnswer as error:
            raise self._timed_out(error) from error
        except ResponseError:
            self._has_answered = True
            raise
        self._has_answered = True
        return answer


class _OfLoops(_Kept):
    """Its limits are those of ``doubts``. redis-py's, which run while the loop is late, are off."""

    async def _connect(self) -> None:
        async with Deadline(self.doubts.connect_timeout):
            await super()._connect()  # type: ignore[misc]

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        if not self.is_connected:  # type: ignore[attr-defined]
            number = self._begin()
            await super().connect_check_health(*args, **options)  # type: ignore[misc]
            self._opened(number)

    async def disconnect(self, *args: Any, **options: Any) -> None:
        if asyncio.current_task() is None:
            await super().disconnect(*args, **options)  # type: ignore[misc]
            return
        with suppress(TimeoutError):
            async with Deadline(self.doubts.connect_timeout):
                await super().disconnect(*args, **options)  # type: ignore[misc]

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        if self._is_doubted() and self.is_connected:  # type: ignore[attr-defined]
            await self.disconnect()
            await self.connect()  # type: ignore[attr-defined]
        if not self.is_connected:  # type: ignore[attr-defined]
            await self.connect_check_health(check_health=False)
        try:
            async with Deadline(self.doubts.timeout):
                await super().send_packed_command(*args, **options)  # type: ignore[misc]
        except TimeoutError as error:
            raise NoAnswer("The server takes nothing.") from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            async with Deadline(self.doubts.timeout):
                answer = await super().read_response(*args, **options)  # type: ignore[misc]
        except TimeoutError as error:
            raise self._timed_out(NoAnswer("The server does not answer.")) from error
        except ResponseError:
            self._has_answered = True
            raise
        self._has_answered = True
        return answer


def of_threads(connection: type, doubts: Doubts) -> type:
    """Return a connection class of redis-py, extended to notice forgotten connections."""
    return type(connection.__name__, (_OfThreads, connection), {"doubts": doubts})


def of_loops(connection: type, doubts: Doubts) -> type:
    """Return the same for event loops."""
    return type(connection.__name__, (_OfLoops, connection), {"doubts": doubts})
