"""Private servers for one run: in temporary folders, on free loopback ports, gone afterwards.

Each can be killed, paused and started again on the same port with the same data.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

#: Where servers are looked for; some systems keep them from the PATH of users.
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
#: Seconds within which a server has to start.
PATIENCE = 60.0


class Unavailable(Exception):
    """A server could not be had; the text says what to do."""


class Server:
    """A server in a folder of its own.

    Args:
        url: what its clients are given.
        folder: where it runs, and keeps its log.
        command: the program and its options.
        is_ready: whether it can be used by now.
        stop_with: the signal that ends it at once.
        identity: arguments for `subprocess` that name another user.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        command: list[str],
        is_ready: Callable[[], bool],
        *,
        stop_with: signal.Signals = signal.SIGKILL,
        identity: dict[str, Any] | None = None,
    ) -> None:
        self.url, self.folder, self._command, self._is_ready = url, folder, command, is_ready
        self._stop_with, self._identity = stop_with, identity or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []

    def start(self) -> None:
        """Start it and wait until it can be used."""
        with (self.folder / "log").open("ab") as log:
            options: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": log,
                "stderr": log,
                **self._identity,
            }
            self._process = subprocess.Popen(self._command, cwd=self.folder, **options)
        end = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < end:
            if self._is_ready():
                return
            time.sleep(0.02)
        raise Unavailable(f"{self._command[0]} did not start: {tail(self.folder / 'log')}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.resume()
        if self._process is not None:
            self._process.send_signal(self._stop_with)
            self._process.wait()

    def pause(self) -> None:
        """Let it and its children stand still: connections stay open, and nothing is answered."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # before its children are counted
        self._paused = [self._process.pid, *children(self._process.pid)]
        for pid in self._paused[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        while self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._paused.pop(), signal.SIGCONT)


@contextlib.contextmanager
def running(make: Callable[[Path], Server]) -> Iterator[Server]:
    """Start what is made for a temporary folder; end it in whatever state, and remove every trace."""
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-server-", ignore_cleanup_errors=True) as name:
        server = make(Path(name))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def run(command: list[str], folder: Path, identity: dict[str, Any]) -> None:
    """Run a program that prepares a server's folder."""
    with (folder / "log").open("ab") as log:
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **identity}
        done = subprocess.run(command, cwd=folder, check=False, **options)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {tail(folder / 'log')}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])


def unprivileged(folder: Path, *names: str) -> dict[str, Any]:
    """Arguments for `subprocess` that drop root, which databases refuse to run as; they get the folder."""
    if os.geteuid() != 0:
        return {}
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            for path in (folder, *folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Unavailable(f"Servers do not run as root and there is no user `{names[0]}` or `nobody`.")


def find(*names: str) -> str | None:
    """The path of the first of these programs that this machine has."""
    return next(filter(None, (shutil.which(name, path=SEARCH) for name in names)), None)


def packaged(distribution: str, program: str) -> Path | None:
    """The path of a program that comes in an installed Python package."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(distribution) or ():
            if file.name == program:
                return Path(str(file.locate()))
    return None


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """The processes that a process has started, by its main thread. Linux only."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stop_on_terminate() -> None:
    """Make a polite kill or a closed terminal unwind the stack like Ctrl-C, so that servers are stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))


def run_beside(start: Callable[[], contextlib.AbstractContextManager[str]], variable: str) -> int:
    """Run the command line's command beside a server, whose URL is in the variable; the exit code."""
    stop_on_terminate()
    try:
        with start() as url:
            return subprocess.run(sys.argv[1:], env={**os.environ, variable: url}, check=False).returncode
    except Unavailable as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        return 130
