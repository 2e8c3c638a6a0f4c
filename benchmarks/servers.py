"""Whole servers under wrk, and storms of sign-ins: ``python -m benchmarks.servers``. See docs/benchmarks.md.

Each configuration runs in a server of its own with one worker, under WSGI with one thread. All are up at once
and take turns. Under ASGI, what a server holds is counted too, and how late its event loop is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import databases, driver, machine, report, watch
from benchmarks.configurations import BY_NAME, FLOOR, Configuration
from tools.servers import free_port, stop_on_terminate

OUT = Path(__file__).parent / "out"
BIN = Path(sys.executable).parent


class Kind(NamedTuple):
    """A kind of server: its command, the views that it is asked for, and with how many connections."""

    command: str
    views: tuple[str, ...] = ("sync",)
    connections: tuple[int, ...] = (16,)

    @property
    def is_asgi(self) -> bool:
        """Whether it has an event loop."""
        return "async" in self.views


_GRANIAN = "granian --workers 1 --host 127.0.0.1 --port {port} --log-level critical "
_ASGI = (("async", "sync"), (16, 256))
KINDS = {
    "granian": Kind(_GRANIAN + "--interface wsgi --blocking-threads 1 benchmarks.site.wsgi:application"),
    "gunicorn": Kind(
        "gunicorn --worker-class gthread --workers 1 --threads 1 --bind 127.0.0.1:{port} "
        "--log-level critical benchmarks.site.wsgi:application"
    ),
    "granian-asgi": Kind(_GRANIAN + "--interface asginl benchmarks.site.asgi:application", *_ASGI),
    "uvicorn": Kind(
        "uvicorn --workers 1 --host 127.0.0.1 --port {port} --log-level critical --lifespan off "
        "--loop asyncio benchmarks.site.asgi:application",
        *_ASGI,
    ),
}
PATHS = {"sync": "/whoami/", "async": "/awhoami/"}
DEFAULT = (FLOOR, "stock-db", "stock-cached-db", "stock-cache", "ours", "ours-near", "ours-valkey")
DEFAULT += ("ours-valkey-principal", "ours-valkey-near")
#: The credential in a WSGI environ, and the header that carries it.
HEADERS = {"HTTP_COOKIE": "Cookie", "HTTP_AUTHORIZATION": "Authorization"}
MISSING = "wrk is not installed (on Debian and Ubuntu: apt-get install wrk). Nothing was measured."
_PATIENCE = 30.0
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Measured(NamedTuple):
    """What wrk says: requests a second, latencies in ms, answers that were no success.

    Under ASGI also the most threads and connections to the database at once, and by how many ms the loop was
    late at most.
    """

    rate: float
    p50: float
    p99: float
    failed: int
    threads: int = 0
    database: int = 0
    late: float = 0.0


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--servers", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), default=list(DEFAULT))
    parser.add_argument("--rounds", type=int, default=5, help="turns of every configuration")
    parser.add_argument("--seconds", type=int, default=5, help="length of one turn")
    parser.add_argument("--connections", nargs="+", type=int, help="(16, under ASGI also 256)")
    parser.add_argument("--views", nargs="+", choices=list(PATHS), default=list(PATHS), help="under ASGI")
    parser.add_argument(
        "--pool",
        type=int,
        default=10,
        help="PostgreSQL connections of an ASGI server; 0: Django opens its own",
    )
    parser.add_argument("--storm", type=int, default=64, help="connections of a storm of sign-ins; 0: none")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the JSON file")
    return parser.parse_args(given)


class Server:
    """A server that runs, and the header of a client who has signed in."""

    def __init__(
        self, kind: Kind, configuration: Configuration, url: str, credential: dict[str, str], pool: int
    ) -> None:
        self.kind, self.configuration, self.port, self._url = kind, configuration, free_port(), url
        self.header = [f"{HEADERS[name]}: {value}" for name, value in credential.items()]
        command = kind.command.format(port=self.port).split()
        env = driver.environment(configuration.name, url, None)
        self._process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=driver.ROOT,
            env=env | {"BENCH_ASGI": str(pool)} if kind.is_asgi else env,
            stdin=subprocess.DEVNULL,
        )

    def get(self, path: str) -> bytes:
        """Return the answer to one request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        for line in self.header:
            request.add_header(*line.split(": ", 1))
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bytes(answer.read())

    def check(self) -> None:
        """Wait until it answers, and see that each view answers right."""
        wanted = "alice" if self.configuration.authentication else ""
        for view in self.kind.views:
            answer = self._first(PATHS[view])
            if json.loads(answer) != {"user": wanted}:
                raise SystemExit(f"{self.configuration.name}: answered {answer!r}")

    def _first(self, path: str) -> bytes:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.get(path)
            except (OSError, urllib.error.URLError) as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise SystemExit(f"{self.configuration.name}: the server gave {error}") from error
                time.sleep(0.05)

    def load(self, path: str, connections: int, seconds: int) -> Measured:
        """Let wrk ask for a page, and look at what the server holds meanwhile."""
        if not self.kind.is_asgi:
            return self._load(path, connections, seconds)
        self.get("/loop/")
        with watch.watching(self._process.pid, self._url, self.configuration.name) as held:
            measured = self._load(path, connections, seconds)
        late = json.loads(self.get("/loop/")).get("longest", 0.0)
        return measured._replace(threads=held.threads, database=held.connections, late=1000 * late)

    def _load(self, path: str, connections: int, seconds: int) -> Measured:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
        for line in self.header if path in PATHS.values() else ():
            command += ["-H", line]
        command.append(f"http://127.0.0.1:{self.port}{path}")
        return read(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def read(text: str) -> Measured:
    """Return what wrk has printed.

    Raises:
        ValueError: it printed something else.
    """
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    if rate is None:
        raise ValueError(f"wrk said: {text}")
    latencies = [_latency(text, percent) for percent in (50, 99)]
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    lost = sum(map(int, errors.groups())) if errors else 0
    return Measured(float(rate[1]), *latencies, (int(failed[1]) if failed else 0) + lost)


def _latency(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk said: {text}")
    return float(found[1]) * _UNITS[found[2]]


@contextlib.contextmanager
def servers(kind: Kind, chosen: Sequence[Configuration], url: str, pool: int) -> Iterator[list[Server]]:
    """Start a server for each configuration that this release has; all end with the block."""
    started: list[Server] = []
    try:
        with driver.workers(chosen, url, None) as crew:
            for worker in crew:
                checked = worker.ask("check")
                if "missing" in checked:
                    print(f"{worker.configuration.name}: NOT MEASURED. {checked['missing']}")
                else:
                    credential = worker.ask("who")
                    started.append(Server(kind, worker.configuration, url, credential, pool))
        for server in started:
            server.check()
        yield started
    finally:
        for server in started:
            server.stop()


def turns(
    running: Sequence[Server], path: str, connections: int, options: argparse.Namespace
) -> dict[str, list[Measured]]:
    """Load all servers in turn, round by round, each round in another order."""
    found: dict[str, list[Measured]] = {one.configuration.name: [] for one in running}
    for one in running:
        one.load(path, connections, 1)  # warm
    for number in range(options.rounds):
        turn = number % len(running)
        for one in (*running[turn:], *running[:turn]):
            found[one.configuration.name].append(one.load(path, connections, options.seconds))
    return found


def lines(title: str, found: dict[str, list[Measured]], cache: str, unit: str) -> Iterator[str]:
    """Yield the lines of a table: medians over the rounds, the sum of failures, the most that was held."""
    yield f"\n{title}"
    base = statistics.median(one.rate for one in next(iter(found.values())))
    holds = any(one.threads for rounds in found.values() for one in rounds)
    body = []
    for name, rounds in found.items():
        rate, p50, p99 = (statistics.median(column) for column in list(zip(*rounds, strict=True))[:3])
        says = BY_NAME[name].says.format(cache=cache)
        failed = sum(one.failed for one in rounds)
        row = [says, f"{rate:.0f}", f"{rate / base:.2f}", f"{p50:.1f}", f"{p99:.1f}", str(failed)]
        if holds:
            threads, database = max(one.threads for one in rounds), max(one.database for one in rounds)
            row += [str(threads), str(database), f"{statistics.median(one.late for one in rounds):.1f}"]
        body.append(row)
    first = BY_NAME[next(iter(found))].name
    head = ["configuration", unit, f"of {first}", "p50 ms", "p99 ms", "failed"]
    yield from report.table([*head, *(("threads", "database", "loop late ms") if holds else ())], body)


def measure(name: str, url: str, options: argparse.Namespace, cache: str) -> dict[str, Any]:
    """Measure one kind of server and print its tables."""
    kind = KINDS[name]
    chosen = [BY_NAME[one] for one in options.only if BY_NAME[one].needs in ("", options.database)]
    results: dict[str, Any] = {}
    with servers(kind, chosen, url, options.pool) as running:
        for view in [one for one in kind.views if not kind.is_asgi or one in options.views]:
            for connections in options.connections or kind.connections:
                found = turns(running, PATHS[view], connections, options)
                what = f", {view} view" if kind.is_asgi else ""
                title = f"{name}, one worker{what}, wrk with {connections} connections, on {options.database}"
                print("\n".join(lines(title, found, cache, "requests/s")), flush=True)
                results[f"requests, {view}, {connections}"] = found
        signing = [one for one in running if one.configuration.credential == "session"]
        if options.storm and signing and not kind.is_asgi:
            found = turns(signing, "/sign-in/", options.storm, options)
            title = f"{name}, a storm of sign-ins on {options.storm} connections, without the password hash"
            print("\n".join(lines(title, found, cache, "sign-ins/s")), flush=True)
            results["storm"] = found
    return {
        what: {name: [one._asdict() for one in rounds] for name, rounds in of.items()}
        for what, of in results.items()
    }


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    if shutil.which("wrk") is None:
        print(MISSING)
        return 1
    stop_on_terminate()
    database = {"sqlite": databases.sqlite, "postgresql": databases.postgresql}[options.database]
    with databases.redis() as (redis, cache), database() as url:
        driver.prepare(url)
        if not redis:
            options.only = [name for name in options.only if not BY_NAME[name].on_valkey]
        results = {kind: measure(kind, url, options, cache) for kind in options.servers}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"servers-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    method = {"rounds": options.rounds, "seconds": options.seconds, "pool": options.pool}
    machine.write(path, method, results)
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(main())
    raise SystemExit(130)
