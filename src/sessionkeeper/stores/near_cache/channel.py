"""What the near cache's channels have in common: a connection that is believed while it is proven alive.

Four times a second a thread asks it for an answer, or a request does where the thread comes late. Whoever
sends it what there is to tell does so before the answer, so an answer proves that nothing is missing that was
told before the question. Without a fresh one, nothing that is remembered is believed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol
from weakref import WeakSet, ref


class Channel(Protocol):
    """How processes tell each other what to forget. Safe under threads and after fork."""

    @property
    def alias(self) -> str | None:
        """The ``alias`` of the store that this channel belongs to."""

    @property
    def epoch(self) -> int:
        """Number of the connection that listens, 0 for none. What was kept under another is void."""

    def subscribe(self, receive: Callable[[str], None]) -> None:
        """Give every message to ``receive`` from now on."""

    def is_trusted(self) -> bool:
        """Take in what has arrived, without waiting, and say whether nothing can have been missed."""

    def is_usual(self) -> bool:
        """Whether what the code that runs now reads is what was committed when it reads."""

    def announcing(self) -> AbstractContextManager[Any]:
        """Tell of every session that a write inside of this ends or changes, together with the write."""

    def publish(self, message: str) -> None:
        """Send a message, together with the transaction under way if there is one."""

    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` now, or once the transaction under way is committed."""

    def close(self) -> None:
        """Stop listening for good."""


#: Seconds between two questions; after how many without an answer nothing is believed; and after how many the
#: connection is given up for a new one.
BEAT, DISTRUST, GIVE_UP = 0.25, 0.75, 2.0

log = logging.getLogger("sessionkeeper.near")


class ListeningChannel:
    """The half of a ``Channel`` that hears. What speaks is its children's."""

    def __init__(self) -> None:
        self._receive: Callable[[str], None] = lambda message: None
        self._epochs = 0
        self._closed = False
        self.reset()
        _all.add(self)

    def reset(self) -> None:
        """Let go of connection, thread and lock without a word; for the child of a fork."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._asked_at: float | None = None
        self._proven_at = 0.0
        self._said_cut = False

    # What a kind of channel has to say

    def open_connection(self) -> Any:
        """Return a connection that listens already, or raise whatever keeps it from that."""
        raise NotImplementedError

    def ask(self, connection: Any) -> None:
        """Ask for an answer, without waiting for it."""
        raise NotImplementedError

    def take_in(self, connection: Any) -> bool:
        """Give what has arrived to :meth:`hear`, without waiting. Return whether the answer was among it."""
        raise NotImplementedError

    def is_elsewhere(self, connection: Any) -> bool:
        """Whether all is told at other servers now. Called by the thread, without the lock."""
        return False

    def abandon(self, connection: Any) -> None:
        """Let go of a connection that belongs to the parent of a fork."""
        raise NotImplementedError

    # Listening

    @property
    def epoch(self) -> int:
        """See the contract."""
        return self._epochs if self._connection is not None else 0

    def subscribe(self, receive: Callable[[str], None]) -> None:
        """See the contract."""
        self._receive = receive

    def hear(self, message: str) -> None:
        """Pass a message on."""
        self._receive(message)

    def is_trusted(self) -> bool:
        """See the contract. Costs one system call, 0.2 µs, while nothing has arrived."""
        if self._thread is None:
            self._begin()
        with self._lock:
            if self._connection is None:
                return False
            self._drain()
            now = time.monotonic()
            if self._asked_at is None and now - self._proven_at >= BEAT:
                self._ask(now)  # in a busy process the thread may wait for the interpreter for long
            return self._connection is not None and now - self._proven_at <= DISTRUST

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=_beat, args=(ref(self), self._stop), name="sessionkeeper-near", daemon=True
                )
                self._thread.start()

    def _drain(self) -> None:
        """Take in what the socket holds, without waiting. Called with the lock held."""
        try:
            if self.take_in(self._connection) and self._asked_at is not None:
                self._proven_at, self._asked_at = self._asked_at, None
        except Exception as error:  # noqa: BLE001 - whatever the driver says: it is not proven any more
            self._cut(str(error))

    def beat(self) -> None:
        """Ask for a sign of life, or connect anew; called by the thread."""
        connection = self._connection
        moved = connection is not None and self.is_elsewhere(connection)
        if connection is None:
            self._connect()
        with self._lock:
            if self._connection is None:
                return
            if moved and self._connection is connection:
                self._cut("there is another master")
                return
            self._drain()
            now = time.monotonic()
            if self._asked_at is None:
                self._ask(now)
            elif now - self._asked_at > GIVE_UP:
                self._cut(f"no answer for {GIVE_UP:g} seconds")
            if self._asked_at is not None and now - self._asked_at > DISTRUST:
                self._say_cut("no answer in time")
            elif self._said_cut and self._connection is not None:
                self._said_cut = False
                log.warning("The near cache is on, its channel works.")

    def _ask(self, now: float) -> None:
        """Ask for a sign of life, if there is a connection. Called with the lock held."""
        if self._connection is None:
            return
        try:
            self.ask(self._connection)
            self._asked_at = now
        except Exception as error:  # noqa: BLE001 - as above
            self._cut(str(error))

    def _connect(self) -> None:
        try:
            connection = self.open_connection()
        except Exception as error:  # noqa: BLE001 - no channel, whatever the reason: the store is read
            self._say_cut(str(error))
            return
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._asked_at, self._proven_at = None, time.monotonic()
            self._epochs += 1
            self._connection = connection

    def _cut(self, reason: str) -> None:
        with suppress(Exception):
            self._connection.close()
        self._connection, self._asked_at = None, None
        self._say_cut(reason)

    def _say_cut(self, reason: str) -> None:
        if not self._said_cut:
            self._said_cut = True
            because = reason.strip().rstrip(".")
            log.warning("The near cache is off, its channel is cut: %s. The store is read instead.", because)

    def close(self) -> None:
        """See the contract."""
        self._closed = True
        self._stop.set()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _beat(channel: ref[ListeningChannel], stop: threading.Event) -> None:
    while (alive := channel()) is not None and not stop.is_set():
        alive.beat()
        del alive
        stop.wait(BEAT)


_all: WeakSet[ListeningChannel] = WeakSet()


def _let_go() -> None:
    """Take nothing over from the parent of a fork: its connection stays its own."""
    for channel in list(_all):
        inherited = channel._connection  # noqa: SLF001
        if inherited is not None:
            with suppress(OSError):
                channel.abandon(inherited)
        channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
