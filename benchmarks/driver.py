"""Starts the workers, asks them in turn, keeps every number."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.configurations import CACHED_DB, CONFIGURATIONS, STOCK, Configuration

ROOT = Path(__file__).parent.parent


class Worker:
    """A process that measures one configuration on one database."""

    def __init__(self, configuration: Configuration, url: str, cpu: int | None) -> None:
        self.configuration = configuration
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env=environment(configuration.name, url, cpu),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, argument: Any = None) -> dict[str, Any]:
        """Let the worker do something; return what it measured."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        if pipe_in is None or pipe_out is None:
            raise RuntimeError("A worker without pipes.")
        with contextlib.suppress(BrokenPipeError):
            pipe_in.write(json.dumps([command, argument]) + "\n")
            pipe_in.flush()
        line = pipe_out.readline()
        if not line:
            raise SystemExit(f"The worker of {self.configuration.name!r} stopped; it says why above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Close its pipe, which ends it, and wait."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has stopped by itself
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def environment(configuration: str, url: str, cpu: int | None) -> dict[str, str]:
    """Return the environment variables of one worker."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.site.settings",
        "BENCH_CONFIGURATION": configuration,
        "DATABASE_URL": url,
        "PYTHONHASHSEED": "0",
    }
    if cpu is not None:
        env["BENCH_CPU"] = str(cpu)
    return env


def prepare(url: str) -> None:
    """Make the schema and its rows in the database."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", "prepare"],
        cwd=ROOT,
        env=environment(CONFIGURATIONS[0].name, url, None),
        check=True,
    )


@contextlib.contextmanager
def workers(configurations: Sequence[Configuration], url: str, cpu: int | None) -> Iterator[list[Worker]]:
    """Start one worker for each configuration; all end with the block."""
    started = [Worker(one, url, cpu) for one in configurations]
    try:
        yield started
    finally:
        for one in started:
            one.stop()


def measure(crew: Sequence[Worker], rounds: int, requests: int) -> dict[str, dict[str, Any]]:
    """Ask all workers in turn, round by round, each round in another order."""
    results: dict[str, dict[str, Any]] = {}
    able = []
    for worker in crew:
        checked = worker.ask("check")
        if "missing" in checked:
            print(f"{worker.configuration.name}: NOT MEASURED. {checked['missing']}")
            continue
        able.append(worker)
        results[worker.configuration.name] = {**checked, "wall": [], "cpu": []}
        worker.ask("round", max(requests // 2, 1))  # warm
    for number in range(rounds):
        turn = number % len(able)
        for worker in (*able[turn:], *able[:turn]):
            took = worker.ask("round", requests)
            for clock in ("wall", "cpu"):
                results[worker.configuration.name][clock].append(took[clock])
    return results


def over_floor(results: dict[str, dict[str, Any]], floor: str, stock: str) -> dict[str, dict[str, float]]:
    """Return, for each configuration, the medians over the floor and the share of stock.

    A difference is taken within each round, so that what slows a whole round falls out.
    """
    out: dict[str, dict[str, float]] = {}
    for name, one in results.items():
        over = {
            clock: statistics.median(
                mine - base for mine, base in zip(one[clock], results[floor][clock], strict=True)
            )
            for clock in ("wall", "cpu")
        }
        counts = {what: one.get(what, 0) for what in ("queries", "commands")}
        out[name] = {**counts, **{f"{clock}_us": value for clock, value in over.items()}}
        out[name] |= {f"{clock}_total_us": statistics.median(one[clock]) for clock in ("wall", "cpu")}
    for one in out.values():
        for clock in ("wall", "cpu"):
            for whose, share in ((stock, f"{clock}_share"), (CACHED_DB, f"{clock}_share_of_cached_db")):
                base = out.get(whose, {}).get(f"{clock}_us", 0)
                one[share] = one[f"{clock}_us"] / base if base else 0.0
    return out


def saves(crew: Sequence[Worker], threads: int, requests: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return what a save costs over the same view that only reads, and how many keys survived.

    All workers have a turn in each round, in another order; a difference is taken within a turn.
    """
    turns = _turns(crew, "save", [threads, requests], rounds)
    found: dict[str, dict[str, float]] = {}
    for name, rows in turns.items():
        found[name] = {what: sum(row[what] for row in rows) for what in ("written", "survive", "refused")}
        for clock in ("", "cpu_"):
            found[name][f"{clock}read_us"] = 1000 * statistics.median(row[f"read_{clock}ms"] for row in rows)
            found[name][f"{clock}us"] = 1000 * statistics.median(
                row[f"write_{clock}ms"] - row[f"read_{clock}ms"] for row in rows
            )
    return with_shares(found, "us")


def logins(crew: Sequence[Worker], times: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median µs of a sign-in, all workers in turn, and its statements and commits."""
    found: dict[str, dict[str, float]] = {}
    for name, rows in _turns(crew, "login", max(times // rounds, 1), rounds).items():
        medians = {
            f"{clock}us": statistics.median(one for row in rows for one in row[kind])
            for clock, kind in (("", "wall"), ("cpu_", "cpu"))
        }
        found[name] = {**medians, "queries": rows[0]["queries"], "commits": rows[0]["commits"]}
    return with_shares(found, "us")


def _turns(crew: Sequence[Worker], command: str, argument: Any, rounds: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {one.configuration.name: [] for one in crew}
    for number in range(rounds):
        turn = number % len(crew)
        for one in (*crew[turn:], *crew[:turn]):
            found[one.configuration.name].append(one.ask(command, argument))
    return found


def with_shares(found: dict[str, dict[str, float]], cost: str) -> dict[str, dict[str, float]]:
    """Add to each configuration its share of Django's ``db`` and ``cached_db``, where those were measured."""
    for whose, share in ((STOCK, "share"), (CACHED_DB, "share_of_cached_db")):
        base = found.get(whose, {}).get(cost, 0)
        for row in found.values():
            row[share] = row[cost] / base if base > 0 else 0.0
    return found
