"""Connections that a firewall forgot: what is sent on them vanishes, and the server is well.

Firewalls and load balancers forget connections that nobody used for minutes, and swallow what comes on them
later. So a time-out on a connection that has answered before says nothing of the server: it is
:class:`Forgotten`. Every connection of its client that was open by then is opened anew before it is used, and
whoever met it may try once more, which is then on a fresh connection.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoAnswer


class Forgotten(NoAnswer):
    """A connection that has answered before did not answer in time."""


class Doubts:
    """What the connections of one client share.

    Attributes:
        number: how often one of them was forgotten. Those that were opened before the last time are doubted.
        interval: seconds without use after which a connection is asked for a sign of life first; 0: never.
    """

    __slots__ = ("interval", "number")

    def __init__(self, interval: int) -> None:
        self.number, self.interval = 0, interval


class _Kept:
    """What is the same of a connection for threads and for event loops."""

    doubts: Doubts
    #: What ``doubts.number`` was when it was opened; None while it is being opened.
    _opened_at: int | None = None
    _has_answered = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.health_check_interval = self.doubts.interval

    def _is_doubted(self) -> bool:
        """Whether it is opened anew before its next use."""
        return self._opened_at != self.doubts.number and self._opened_at is not None

    def _begin(self) -> int:
        self._opened_at, self._has_answered = None, False
        return self.doubts.number

    def _opened(self, number: int) -> None:
        self._opened_at, self._has_answered = number, False  # a greeting is no proof that it was left idle

    def _silence(self, error: NoAnswer) -> NoAnswer:
        """Return what a time-out is."""
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
            self.connect()  # type: ignore[attr-defined]  # with Sentinels, to the master of now
        super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().read_response(*args, **options)  # type: ignore[misc]
        except NoAnswer as error:
            raise self._silence(error) from error
        except ResponseError:
            self._has_answered = True
            raise
        self._has_answered = True
        return answer


class _OfLoops(_Kept):
    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        if not self.is_connected:  # type: ignore[attr-defined]
            number = self._begin()
            await super().connect_check_health(*args, **options)  # type: ignore[misc]
            self._opened(number)

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        if self._is_doubted() and self.is_connected:  # type: ignore[attr-defined]
            await self.disconnect()  # type: ignore[attr-defined]
            await self.connect()  # type: ignore[attr-defined]
        await super().send_packed_command(*args, **options)  # type: ignore[misc]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = await super().read_response(*args, **options)  # type: ignore[misc]
        except NoAnswer as error:
            raise self._silence(error) from error
        except ResponseError:
            self._has_answered = True
            raise
        self._has_answered = True
        return answer


def of_threads(connection: type, doubts: Doubts) -> type:
    """Return a class of redis-py's connections that notices the forgotten."""
    return type(connection.__name__, (_OfThreads, connection), {"doubts": doubts})


def of_loops(connection: type, doubts: Doubts) -> type:
    """Return the same for event loops."""
    return type(connection.__name__, (_OfLoops, connection), {"doubts": doubts})
