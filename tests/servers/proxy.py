"""A TCP proxy on a free loopback port that can be made to say nothing, to lose an answer, or to forget."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress


class Proxy:
    """Carries bytes between its port and a server; ``open`` is cleared to hold them back."""

    def __init__(self, host, port):
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self.port = self._listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self._losing = threading.Event()
        self._forgotten = set()
        self.accepted = 0
        self._start(self._accept)

    def lose_next_answer(self):
        """Throw away what the server says next, and close that connection instead."""
        self._losing.set()

    def forget(self):
        """Swallow what is sent on the connections of now, as a firewall does with idle ones."""
        self._forgotten |= set(self._sockets)

    def _start(self, function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self.accepted += 1
                self._start(self._carry, client, server)
                self._start(self._carry, server, client, True)

    def _carry(self, source, target, is_answer=False):
        with suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                if source in self._forgotten:
                    continue
                if is_answer and self._losing.is_set():
                    self._losing.clear()
                    break
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Close everything."""
        self.open.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for held in self._sockets:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()


@contextmanager
def proxy(host, port):
    """Run a proxy in front of a server."""
    made = Proxy(host, port)
    try:
        yield made
    finally:
        made.close()
