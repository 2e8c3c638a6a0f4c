"""What a server holds while it is under load: threads, and connections to the database."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


class Held:
    """The most that was seen at once; 0 where nobody can tell."""

    def __init__(self) -> None:
        self.threads, self.connections = 0, 0

    def note(self, threads: int, connections: int) -> None:
        """Keep the larger numbers."""
        self.threads, self.connections = max(self.threads, threads), max(self.connections, connections)


@contextlib.contextmanager
def watching(pid: int, url: str, name: str, interval: float = 0.1) -> Iterator[Held]:
    """Look at a server and its children during the block, and at what has this name in the database."""
    held, stop = Held(), threading.Event()

    def look(connections: Callable[[], int]) -> None:
        while not stop.wait(interval):
            held.note(threads(pid), connections())

    with counting(url, name) as connections:
        thread = threading.Thread(target=look, args=[connections], daemon=True)
        thread.start()
        try:
            yield held
        finally:
            stop.set()
            thread.join()


def threads(pid: int) -> int:
    """Return how many threads a process and its children have; 0 where there is no ``/proc``."""
    found = 0
    for one in (pid, *_children(pid)):
        with contextlib.suppress(OSError, StopIteration, ValueError):
            lines = (_PROC / str(one) / "status").read_text().splitlines()
            found = max(found, int(next(line for line in lines if line.startswith("Threads:")).split()[1]))
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(one) for one in path.read_text().split()]
    return found


@contextlib.contextmanager
def counting(url: str, name: str) -> Iterator[Callable[[], int]]:
    """Give a function that counts the connections with this application name; 0 on SQLite."""
    if not url.startswith("postgres"):
        yield lambda: 0
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:

        def count() -> int:
            text = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            row: Any = connection.execute(text, [name]).fetchone()
            return int(row[0])

        yield count
