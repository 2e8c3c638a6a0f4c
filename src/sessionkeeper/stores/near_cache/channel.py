"""The channel over which processes tell each other what their near caches must forget.

A channel is trusted only while its connection is proven alive: a thread pings four times a second, and a
request does where the thread is late. The server delivers every pending message before it answers a ping, so
an answer proves that nothing sent before the ping is missing. Without a recent answer, the near cache is not
used.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any
from weakref import ref

from sessionkeeper.stores import forks

#: Seconds between two pings, without an answer until the channel is not trusted, and until it reconnects.
BEAT, DISTRUST, GIVE_UP = 0.25, 0.75, 2.0

log = logging.getLogger("sessionkeeper.near")


class Channel(ABC):
    """Receives messages, and says whether any can be missing. Safe under threads and after a fork."""

    #: The ``alias`` of the store that this channel belongs to.
    alias: str | None

    def __init__(self) -> None:
        self._deliver: Callable[[str], None] = lambda message: None
        self._epochs = 0
        self._closed = False
        self._connection: Any = None
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Drop connection, thread and lock without telling the server; for the child of a fork."""
        if self._connection is not None:
            with suppress(OSError):
                self.abandon(self._connection)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection = None
        self._pinged_at: float | None = None
        self._proven_at = 0.0
        self._is_down_logged = False

    # Receiving, as each kind of channel does it

    @abstractmethod
    def open_connection(self) -> Any:
        """Return a connection that is subscribed, or raise any error."""

    @abstractmethod
    def ping(self, connection: Any) -> None:
        """Send a ping, without waiting for the answer."""

    @abstractmethod
    def read_messages(self, connection: Any) -> bool:
        """Deliver what has arrived, without waiting. Returns whether the answer to the ping has arrived."""

    def has_moved(self, connection: Any) -> bool:
        """Whether messages are now sent at other servers. Called by the thread, without the lock."""
        return False

    @abstractmethod
    def abandon(self, connection: Any) -> None:
        """Close this process's copy of a connection that belongs to the parent of a fork."""

    # Sending, as each kind of channel does it

    @abstractmethod
    def reads_committed(self) -> bool:
        """Whether a read by the current code sees everything that was committed before it."""

    @abstractmethod
    def announcing(self) -> AbstractContextManager[Any]:
        """Announce each session that a write in this block ends or changes, atomically with the write."""

    @abstractmethod
    def publish(self, message: str) -> None:
        """Send a message, as part of the current transaction if there is one."""

    @abstractmethod
    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` now, or once the current transaction is committed."""

    # What all of them share

    @property
    def epoch(self) -> int:
        """The number of the current connection, 0 for none. Entries of another epoch are void."""
        return self._epochs if self._connection is not None else 0

    def subscribe(self, deliver: Callable[[str], None]) -> None:
        """Pass every message to ``deliver`` from now on."""
        self._deliver = deliver

    def is_trusted(self) -> bool:
        """Deliver what has arrived, without waiting, and return whether no message can be missing.

        Costs one system call, 0.2 µs, while nothing has arrived.
        """
        if self._thread is None:
            self._begin()
        with self._lock:
            if self._connection is None:
                return False
            self._drain()
            now = time.monotonic()
            if self._pinged_at is None and now - self._proven_at >= BEAT:
                self._ping(now)  # in a busy process the thread may wait long for the interpreter
            return self._connection is not None and now - self._proven_at <= DISTRUST

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=_beat, args=(ref(self), self._stop), name="sessionkeeper-near", daemon=True
                )
                self._thread.start()

    def _drain(self) -> None:
        """Deliver what the socket holds, without waiting. Called with the lock held."""
        try:
            if self.read_messages(self._connection) and self._pinged_at is not None:
                self._proven_at, self._pinged_at = self._pinged_at, None
        except Exception as error:  # noqa: BLE001 - whatever the driver raises: the proof is gone
            self._disconnect(str(error))

    def beat(self) -> None:
        """Ping, or reconnect; called by the thread."""
        connection = self._connection
        moved = connection is not None and self.has_moved(connection)
        if connection is None:
            self._connect()
        with self._lock:
            if self._connection is None:
                return
            if moved and self._connection is connection:
                self._disconnect("there is another master")
                return
            self._drain()
            now = time.monotonic()
            if self._pinged_at is None:
                self._ping(now)
            elif now - self._pinged_at > GIVE_UP:
                self._disconnect(f"no answer for {GIVE_UP:g} seconds")
            if self._pinged_at is not None and now - self._pinged_at > DISTRUST:
                self._log_down("no answer in time")
            elif self._is_down_logged and self._connection is not None:
                self._is_down_logged = False
                log.warning("The near cache is on, its channel works.")

    def _ping(self, now: float) -> None:
        """Ping, if there is a connection. Called with the lock held."""
        if self._connection is None:
            return
        try:
            self.ping(self._connection)
            self._pinged_at = now
        except Exception as error:  # noqa: BLE001 - as above
            self._disconnect(str(error))

    def _connect(self) -> None:
        try:
            connection = self.open_connection()
        except Exception as error:  # noqa: BLE001 - no channel, whatever the reason: the store is read
            self._log_down(str(error))
            return
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._pinged_at, self._proven_at = None, time.monotonic()
            self._epochs += 1
            self._connection = connection

    def _disconnect(self, reason: str) -> None:
        with suppress(Exception):
            self._connection.close()
        self._connection, self._pinged_at = None, None
        self._log_down(reason)

    def _log_down(self, reason: str) -> None:
        if not self._is_down_logged:
            self._is_down_logged = True
            because = reason.strip().rstrip(".")
            log.warning("The near cache is off, its channel is cut: %s. The store is read instead.", because)

    def close(self) -> None:
        """Stop receiving for good."""
        self._closed = True
        self._stop.set()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _beat(channel: ref[Channel], stop: threading.Event) -> None:
    while (alive := channel()) is not None and not stop.is_set():
        alive.beat()
        del alive
        stop.wait(BEAT)
