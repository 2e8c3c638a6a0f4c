"""What more sessions, more of one user, more data and more connections cost: ``python -m benchmarks.growth``.

See docs/benchmarks.md for the method.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import databases, driver, machine, report
from tools import servers

OUT = Path(__file__).parent.parent / "out"
SERVERS = {"sqlite": databases.sqlite, "postgresql": databases.postgresql}
#: The largest table of each, unless ``--rows`` says otherwise.
MOST = {"sqlite": 1_000_000, "postgresql": 10_000_000}
TITLES = {
    "sessions": "sessions in the table",
    "one user": "sessions of one user",
    "data": "bytes of data",
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--databases", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--rows", type=int, help="the largest table (default: 10 million; SQLite 1 million)")
    parser.add_argument("--purge", type=int, default=1_000_000, help="the most expired sessions; 0: no purge")
    parser.add_argument("--of-one", type=int, default=10_000, help="the most sessions of one user")
    parser.add_argument("--data", type=int, default=1_000_000, help="the most bytes of data")
    parser.add_argument("--connections", type=int, default=64, help="the most connections")
    parser.add_argument("--times", type=int, default=200, help="calls of each operation")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run with connections")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the JSON file")
    return parser.parse_args(given)


def steps(first: int, last: int, factor: int = 10) -> list[int]:
    """Return the sizes from the first to the last, which is included."""
    found = []
    while first < last:
        found.append(first)
        first *= factor
    return [*found, last]


def measure(database: str, url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure on one database, in a process with its settings, and print the tables."""
    sizes = steps(1000, options.rows or MOST[database])
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-bench-") as folder:
        out = Path(folder) / "found.json"
        given = {
            "sizes": sizes,
            "base": min(sizes[-1], 100_000),
            "of_one": steps(1, options.of_one),
            "data": steps(100, options.data),
            "connections": steps(1, options.connections, 4),
            "purge": options.purge,
            "times": options.times,
            "seconds": options.seconds,
            "out": str(out),
        }
        print(f"\n{database}", file=sys.stderr, flush=True)
        subprocess.run(
            [sys.executable, "-m", "benchmarks.growth.measure", json.dumps(given)],
            cwd=driver.ROOT,
            env=driver.environment("ours", url, None),
            check=True,
        )
        found: dict[str, Any] = json.loads(out.read_text())
    print("\n".join(lines(database, found)), flush=True)
    return found


def lines(database: str, found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the tables of one database."""
    for name, title in TITLES.items():
        if found[name]:
            yield f"\nµs on {database}, by {title}"
            names = list(next(iter(found[name].values())))
            rows = [(size, *(f"{row[one]:.0f}" for one in names)) for size, row in found[name].items()]
            yield from report.table((title, *names), rows)
    if found["connections"]:
        yield f"\nRequests a second on {database} (the longest in ms)"
        rows = [
            (number, *(f"{one['a second']:.0f} ({one['max']:.0f})" for one in row.values()))
            for number, row in found["connections"].items()
        ]
        yield from report.table(("connections", *next(iter(found["connections"].values()))), rows)
    if found["purge"]:
        yield f"\nA purge on {database}, with a reader and a writer beside it"
        yield from report.table(PURGE, [purge_row(row) for row in found["purge"].values()])


PURGE = (
    "sessions",
    "expired",
    "removed/s",
    "MB more",
    "reader p50, max ms",
    "writer p50, max ms",
    "without purge",
)


def purge_row(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a purge."""
    waits = [(row["beside"][who]["p50"], row["beside"][who]["max"]) for who in ("reader", "writer")]
    alone = max(row["alone"][who]["max"] for who in ("reader", "writer"))
    return (
        f"{row['sessions']}",
        f"{row['expired']}",
        f"{row['a second']:.0f}",
        f"{row['memory_mb']:.0f}",
        *(f"{middle:.1f}, {most:.0f}" for middle, most in waits),
        f"{alone:.0f}",
    )


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    servers.stop_on_terminate()
    results: dict[str, Any] = {}
    for database in options.databases:
        try:
            with SERVERS[database]() as url:
                results[database] = measure(database, url, options)
        except servers.Unavailable as error:
            print(f"\n{database}: NOT MEASURED. {error}")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"growth-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    method = {name: getattr(options, name) for name in ("times", "seconds", "purge")}
    machine.write(path, method, results)
    return 0 if results else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(main())
    raise SystemExit(130)
