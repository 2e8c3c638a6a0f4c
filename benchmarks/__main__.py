"""``python -m benchmarks``: measure, print tables, write JSON. See docs/benchmarks.md for the method."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import databases, driver, machine, report
from benchmarks.configurations import (
    CACHED_DB,
    CONFIGURATIONS,
    FLOOR,
    OURS,
    OURS_BARE,
    OURS_ENGINE_ONLY,
    STOCK,
    VALKEY,
    Configuration,
)
from tools import servers

OUT = Path(__file__).parent / "out"
SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "sqlite": databases.sqlite,
    "postgresql": databases.postgresql,
}
WRITERS = (STOCK, CACHED_DB, "stock-cache", OURS_ENGINE_ONLY, OURS, OURS_BARE, VALKEY)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--databases", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--only", nargs="+", choices=[one.name for one in CONFIGURATIONS], default=[])
    parser.add_argument(
        "--rounds", type=int, default=25, help="rounds in which every configuration has a turn"
    )
    parser.add_argument("--requests", type=int, default=200, help="requests of one turn")
    parser.add_argument(
        "--writes", type=int, default=50, help="requests of each of 8 writing threads; 0: none"
    )
    parser.add_argument("--logins", type=int, default=250, help="sign-ins; 0: none")
    parser.add_argument("--write-rounds", type=int, default=5, help="rounds of writes and sign-ins")
    parser.add_argument(
        "--rows", type=int, default=200_000, help="sessions of a purge, half of them expired; 0: no purge"
    )
    parser.add_argument("--cpu", type=int, help="pin the workers to this CPU (default: the last one)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the JSON file")
    return parser.parse_args(given)


def measure(database: str, url: str, options: argparse.Namespace, cache: str) -> dict[str, Any]:
    """Measure everything on one database and print its tables."""
    chosen: list[Configuration] = [
        one
        for one in CONFIGURATIONS
        if one.needs in ("", database)
        and (not one.on_valkey or "BENCH_REDIS" in os.environ)
        and (not options.only or one.name in options.only or one.name in (FLOOR, STOCK))
    ]
    driver.prepare(url)
    found: dict[str, Any] = {}
    reading = [one for one in chosen if one.name != OURS_BARE]
    with driver.workers(reading, url, _cpu(options.cpu)) as crew:
        raw = driver.measure(crew, options.rounds, options.requests)
        found = {"requests": driver.over_floor(raw, FLOOR, STOCK), "rounds": raw}
        show(report.requests(database, found["requests"], cache))
    if options.writes or options.logins or options.rows:
        writers = [one for one in chosen if one.name in WRITERS]
        with driver.workers(writers, url, None) as crew:
            found |= measure_writes(database, crew, options, cache)
    return found


def measure_writes(
    database: str, crew: Sequence[driver.Worker], options: argparse.Namespace, cache: str
) -> dict[str, Any]:
    """Measure saves, sign-ins and a purge, and print their tables."""
    found: dict[str, Any] = {}
    writing = [one for one in crew if one.configuration.name != OURS_BARE]
    for name, threads in (("saves", 8), ("saves_alone", 1)) if options.writes else ():
        requests = options.writes * (1 if threads > 1 else 4)
        found[name] = driver.saves(writing, threads, requests, options.write_rounds)
        show(report.saves(database, found[name], cache, threads))
    if options.logins:
        found["logins"] = driver.logins(crew, options.logins, options.write_rounds)
        show(report.logins(database, found["logins"], cache))
    if options.rows:
        purging = [one for one in crew if one.configuration.name in {STOCK, OURS}]
        found["purge"] = {one.configuration.name: one.ask("purge", options.rows) for one in purging}
        show(report.purges(database, found["purge"], cache))
    return found


def show(lines: Any) -> None:
    print("\n".join(lines), flush=True)


def _cpu(given: int | None) -> int | None:
    if given is not None or not hasattr(os, "sched_getaffinity"):
        return given
    return max(os.sched_getaffinity(0))


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    servers.stop_on_terminate()
    results: dict[str, Any] = {}
    cache = ""
    for database in options.databases:
        try:  # a Valkey for each: the keys in one belong to one site, which is a database
            with SERVERS[database]() as url, databases.redis() as (_, cache):
                results[database] = measure(database, url, options, cache)
        except servers.Unavailable as error:
            print(f"\n{database}: NOT MEASURED. {error}")
    options.out.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = options.out / f"{now:%Y%m%d-%H%M%S}.json"
    method = {
        "rounds": options.rounds,
        "requests": options.requests,
        "writes": options.writes,
        "logins": options.logins,
        "write_rounds": options.write_rounds,
        "cache": cache,
        "cpu": _cpu(options.cpu),
    }
    machine.write(path, method, results)
    return 0 if results else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(main())
    raise SystemExit(130)
