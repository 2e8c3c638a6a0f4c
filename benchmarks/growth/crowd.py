"""Many connections at once, and a purge beside a reader and a writer: each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections

from benchmarks.growth.rows import Rows, analyze
from benchmarks.worker import Site, environ
from sessionkeeper.engine import registry

_FORK = multiprocessing.get_context("fork")
#: What a visitor does between two requests, in seconds.
_PAUSE = 0.002


class Visitor:
    """A process that makes requests, one after the other, between two events."""

    def __init__(self, site: Site, path: str, cookies: list[dict[str, str]], pause: float = 0.0) -> None:
        self._site, self._path, self._cookies, self._pause = site, path, cookies, pause
        self._mine, self._its = _FORK.Pipe()

    def start(self, go: Any, stop: Any) -> None:
        """Start the process, and wait until it has connected."""
        self._process = _FORK.Process(target=self._run, args=(go, stop), daemon=True)
        self._process.start()
        self._its.close()
        self._mine.recv()

    def walls(self) -> list[float]:
        """Return the ms of each request."""
        found: list[float] = self._mine.recv()
        self._process.join()
        return found

    def _run(self, go: Any, stop: Any) -> None:
        templates = [environ(self._path, cookie) for cookie in self._cookies]
        for template in templates:
            self._ask(template)
        self._its.send("ready")
        go.wait()
        walls: list[float] = []
        while not stop.is_set():
            start = time.perf_counter()
            self._ask(templates[len(walls) % len(templates)])
            walls.append((time.perf_counter() - start) * 1000)
            time.sleep(self._pause)
        self._its.send(walls)
        connections.close_all()

    def _ask(self, template: dict[str, Any]) -> None:
        status, _ = self._site.get(template)
        if not status.startswith("200"):
            raise SystemExit(f"{self._path} answered {status}.")


def during(work: Callable[[], object], visitors: list[Visitor]) -> tuple[float, list[list[float]]]:
    """Let visitors make requests while something else goes on; return its seconds and theirs in ms."""
    go, stop = _FORK.Event(), _FORK.Event()
    for one in visitors:
        one.start(go, stop)
    go.set()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    stop.set()
    return seconds, [one.walls() for one in visitors]


def at_once(site: Site, rows: Rows, connected: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return requests a second and ms a request with so many connections."""
    found = {}
    for name, path in (("read", "/whoami/"), ("save", "/write/growth/"), ("sign-in", "/sign-in/")):
        cookies = [[{}]] * connected if name == "sign-in" else _cookies(rows, connected)
        connections.close_all()
        took, walls = during(partial(time.sleep, seconds), [Visitor(site, path, mine) for mine in cookies])
        together = [wall for one in walls for wall in one]
        found[name] = {"a second": len(together) / took, **spread(together)}
    return found


def _cookies(rows: Rows, people: int, each: int = 4) -> list[list[dict[str, str]]]:
    numbers = rows.some(people * each, offset=3)
    cookies = [{"HTTP_COOKIE": f"sessionid={rows.key(number)}"} for number in numbers]
    return [cookies[person::people] for person in range(people)]


def spread(walls: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum."""
    ordered = sorted(walls) or [0.0]
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)],
        "max": ordered[-1],
    }


def purge(site: Site, rows: Rows, expired: int, quiet: float) -> dict[str, Any]:
    """Add expired sessions and purge them, with a reader and a writer beside; return what each waited.

    Before the purge, both make requests for some seconds without it.
    """
    rows.fill_expired(expired)
    cookies = _cookies(rows, 2, 50)
    connections.close_all()
    found: dict[str, Any] = {"sessions": rows.count, "expired": expired}
    for phase, work in (
        ("alone", partial(time.sleep, quiet)),
        ("beside", lambda: found.update(_apart(_purge))),
    ):
        pair = [
            Visitor(site, "/whoami/", cookies[0], _PAUSE),
            Visitor(site, "/write/growth/", cookies[1], _PAUSE),
        ]
        _, (read, written) = during(work, pair)
        found[phase] = {"reader": spread(read), "writer": spread(written)}
    if found["removed"] < expired:
        raise SystemExit(f"The purge removed {found['removed']} of {expired}.")
    found["a second"] = found["removed"] / found["seconds"]
    analyze()
    return found


def _apart(work: Callable[[Any], None]) -> dict[str, float]:
    """Let another process do something, so that its memory can be told from that of others."""
    mine, its = _FORK.Pipe()
    process = _FORK.Process(target=work, args=(its,), daemon=True)
    process.start()
    its.close()
    answer: dict[str, float] = mine.recv()
    process.join()
    return answer


def _purge(answer: Any) -> None:
    before, start, cpu = _peak(), time.perf_counter(), time.process_time()
    steps = list(registry.purge())
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    measured = {"seconds": wall, "cpu_seconds": cpu, "memory_mb": _peak() - before}
    answer.send({**measured, "removed": sum(steps), "steps": len(steps)})
    connections.close_all()


def _peak() -> float:
    """Return the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
