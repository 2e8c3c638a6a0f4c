"""Connections to Valkey or Redis that only listen, read without waiting."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from hiredis import Reader

_CHUNK = 65_536
_PING = b"*1\r\n$4\r\nPING\r\n"
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def next_reply(reader: Reader) -> list[Any] | None:
    """Return the next array that a subscriber was sent; None while it is not whole.

    Raises:
        ConnectionError, hiredis.HiredisError: the server sends something else, an error say.
    """
    reply = reader.gets()
    if reply is False:
        return None
    if not isinstance(reply, list):
        raise ConnectionError(f"the server says {reply!r}")
    return reply


def _poll_of(sock: socket.socket) -> Any:
    """Return what says whether a socket can be read; None: only a read does. TLS may have some put by."""
    if not hasattr(select, "poll") or isinstance(sock, ssl.SSLSocket):
        return None
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll


class Subscriber:
    """A subscription to one channel of one server.

    Args:
        connection: one of redis-py, of its own, not connected yet.
        name: the channel.
        seconds: how long connecting and subscribing may take.
    """

    def __init__(self, connection: Any, name: str, seconds: float) -> None:
        self._connection = connection
        self._reader = Reader()
        self.asked = False
        connection.connect()
        self._socket: socket.socket = connection._sock  # noqa: SLF001 - read past redis-py, which would wait
        try:
            self._subscribe(name.encode(), seconds)
            self._socket.setblocking(False)
            self._poll = _poll_of(self._socket)
        except BaseException:
            self.close()
            raise

    def _subscribe(self, name: bytes, seconds: float) -> None:
        self._socket.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(name), name))
        end = time.monotonic() + seconds
        while (reply := next_reply(self._reader)) is None:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            self._reader.feed(self._received())
        if reply[0] != b"subscribe":
            raise ConnectionError("the server does not let us subscribe")

    def _received(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def ask(self) -> None:
        """Ask for an answer."""
        self._socket.send(_PING)
        self.asked = True

    def take_in(self, hear: Callable[[str], None]) -> None:
        """Pass on what has arrived, without waiting; ``asked`` is False once the answer was among it."""
        if not self._may_have_some():
            return
        try:
            while True:
                self._reader.feed(self._received())
        except _NOTHING_YET:
            pass
        while (reply := next_reply(self._reader)) is not None:
            if reply[0] == b"message":
                hear(reply[-1].decode(errors="replace"))
            elif reply[0] == b"pong":
                self.asked = False

    def _may_have_some(self) -> bool:
        """Whether a read may give something, or an error. A read that gives nothing costs more than this."""
        return self._poll is None or bool(self._poll.poll(0))

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def abandon(self) -> None:
        """Close the socket of this process, and say nothing to the server."""
        self._socket.close()
