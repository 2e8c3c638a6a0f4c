"""The plots of docs/benchmarks.md: the same text for the same results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.configurations import FLOOR
from benchmarks.pages import svg
from benchmarks.report import says

SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def drawings(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each picture."""
    requests, growth = results["requests"], results["growth"]
    cache = requests["method"]["cache"]
    for database, name in (("postgresql", "request-cost"), ("sqlite", "request-cost-sqlite")):
        yield f"{name}.svg", cost(database, requests["results"][database]["requests"], cache)
    yield "survivors.svg", survivors(requests["results"], cache)
    for database, found in growth["results"].items():
        yield f"growth-{database}.svg", grown(database, found["sessions"], "sessions in the table")
        yield f"growth-{database}-one-user.svg", grown(database, found["one user"], "sessions of one user")


def cost(database: str, rows: dict[str, Any], cache: str) -> str:
    """Draw what a request costs in each configuration."""
    title = f"An authenticated request on {SERVERS[database]}, above the same view without authentication"
    found = [
        svg.Bar(says(name, cache), row["wall_us"], _microseconds(row), name.startswith("ours"))
        for name, row in rows.items()
        if name != FLOOR
    ]
    return svg.bars(title, sorted(found, key=lambda bar: bar.value))


def _microseconds(row: dict[str, float]) -> str:
    trips = row["queries"] + row["commands"]
    return f"{row['wall_us']:,.0f} µs, {trips:.0f} round trip{'' if trips == 1 else 's'}"


def survivors(results: dict[str, Any], cache: str) -> str:
    """Draw how many of the parallel writes to one session are there afterwards."""
    bars = []
    for database, found in results.items():
        for name, row in found["saves"].items():
            share = row["survive"] / row["written"]
            said = f"{share:.0%} of {row['written']:,.0f}"
            bars.append(
                svg.Bar(f"{SERVERS[database]}: {says(name, cache)}", share, said, name.startswith("ours"))
            )
    return svg.bars("Writes that survive when 8 threads change one session at once", bars)


def grown(database: str, rows: dict[str, Any], axis: str) -> str:
    """Draw what operations cost, by size."""
    names = list(next(iter(rows.values())))
    series = {name: [row[name] for row in rows.values()] for name in names}
    return svg.lines(
        f"{SERVERS[database]}: cost by {axis}", [float(size) for size in rows], series, axis, "µs"
    )
