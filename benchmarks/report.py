"""The tables on screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.configurations import BY_NAME, FLOOR


def requests(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    """Yield the lines of the table of one database."""
    yield f"\nAn authenticated request on {database}, over a floor of {rows[FLOOR]['wall_total_us']:.0f} µs"
    head = (
        "configuration",
        "queries",
        "commands",
        "µs wall",
        "(cpu)",
        "of Django db",
        "(cpu)",
        "of cached_db",
    )
    body = []
    for name, row in rows.items():
        if name != FLOOR:
            shares = (f"{row['wall_share']:.2f}", f"({row['cpu_share']:.2f})")
            costs = (f"{row['wall_us']:.0f}", f"({row['cpu_us']:.0f})")
            asked = (f"{row['queries']:.0f}", f"{row['commands']:.0f}")
            cached = row["wall_share_of_cached_db"]
            says = BY_NAME[name].says.format(cache=cache)
            body.append((says, *asked, *costs, *shares, f"{cached:.2f}" if cached else "-"))
    yield from table(head, body)


def writes(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    yield f"\nParallel writes on {database}: 8 threads, each request sets its own key of one session"
    head = ("configuration", "survive", "refused", "ms a write", "(cpu)")
    yield from table(
        head,
        [
            (
                BY_NAME[name].says.format(cache=cache),
                f"{row['survive']} of {row['written']}",
                f"{row['refused']}",
                f"{row['ms']:.2f}",
                f"({row['cpu_ms']:.2f})",
            )
            for name, row in rows.items()
        ],
    )


def logins(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    yield f"\nA login on {database}, without the time of the password hash"
    yield from table(
        ("configuration", "queries", "ms"),
        [
            (BY_NAME[name].says.format(cache=cache), f"{row['queries']:.0f}", f"{row['wall'] / 1000:.2f}")
            for name, row in rows.items()
        ],
    )


def purges(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    yield f"\nclearsessions on {database}, half of the rows expired"
    yield from table(
        ("configuration", "rows", "left", "seconds", "(cpu)"),
        [
            (
                BY_NAME[name].says.format(cache=cache),
                f"{row['rows']}",
                f"{row['left']}",
                f"{row['seconds']:.2f}",
                f"({row['cpu_seconds']:.2f})",
            )
            for name, row in rows.items()
        ],
    )


def table(head: Sequence[Any], body: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield lines of aligned columns, the first to the left and the others to the right."""
    widths = [max(len(str(row[column])) for row in (head, *body)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *body):
        first, *others = (str(cell) for cell in row)
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])
