"""Private servers that can be killed, paused and started again on the same port with the same data."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tools import postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Nothing that was acknowledged is lost when the process dies. (That the machine dies is not tried.)
PERSISTED = ("--appendonly", "yes", "--appendfsync", "always")
_DURABLE = ("fsync=off", "max_connections=100")


class Breakable(Protocol):
    """What can be done to a server."""

    url: str

    def start(self) -> None:
        """Start it and wait until it answers."""

    def kill(self) -> None:
        """End it at once, without a word."""

    def pause(self) -> None:
        """Let it stand still: connections stay open, and nothing is answered."""

    def resume(self) -> None:
        """Let it go on."""


class Valkey:
    """A Valkey or Redis.

    Args:
        program: the server's.
        folder: where it keeps its data.
        options: more of its options.
    """

    def __init__(self, program: Path, folder: Path, *options: str) -> None:
        port = postgres.free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        self._port, self._folder = port, folder
        self._command = [str(program), "--port", str(port), "--dir", str(folder), *valkey.OPTIONS, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """See Breakable."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not valkey.answers(self._port, self._process):
            raise valkey.Unavailable(f"{self._command[0]} did not start.")

    def kill(self) -> None:
        """See Breakable."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """See Breakable."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """See Breakable."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


class Postgres:
    """A PostgreSQL.

    Args:
        folder: an empty one.
        options: settings, as in ``max_connections=5``.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._server = postgres.Server(folder, (*_DURABLE, *options))
        self.url = self._server.url
        self._paused: list[int] = []

    def start(self) -> None:
        """See Breakable."""
        self._server.start()

    def kill(self) -> None:
        """See Breakable."""
        self.resume()
        self._server.stop()

    def pause(self) -> None:
        """See Breakable. Its children stand still too, those that serve connections among them."""
        parent = self._server.pid
        if parent is None:
            return
        os.kill(parent, signal.SIGSTOP)
        self._paused = [parent, *children(parent)]
        for pid in self._paused[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """See Breakable."""
        while self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._paused.pop(), signal.SIGCONT)


def children(pid: int) -> list[int]:
    """The processes that a process has started, by its main thread. Linux only."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def running(kind: str, *options: str) -> Iterator[Breakable]:
    """Start a ``valkey``, ``redis`` or ``postgres``; end it in whatever state, leave no trace."""
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-broken-", ignore_cleanup_errors=True) as name:
        server: Breakable
        if kind == "postgres":
            server = Postgres(Path(name), *options)
        else:
            program = valkey.programs().get(kind)
            if program is None:
                raise valkey.Unavailable(valkey.MISSING)
            server = Valkey(program, Path(name), *options)
        try:
            server.start()
            yield server
        finally:
            server.kill()
