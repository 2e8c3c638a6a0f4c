"""The tables on screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.configurations import BY_NAME, FLOOR

SHARES = ("of Django db", "of cached_db")


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
            of_db = (f"{row['wall_share']:.2f}", f"({row['cpu_share']:.2f})")
            costs = (f"{row['wall_us']:.0f}", f"({row['cpu_us']:.0f})")
            asked = (f"{row['queries']:.0f}", f"{row['commands']:.0f}")
            cached = row["wall_share_of_cached_db"]
            body.append((says(name, cache), *asked, *costs, *of_db, f"{cached:.2f}" if cached else "-"))
    yield from table(head, body)


def saves(database: str, rows: dict[str, dict[str, float]], cache: str, threads: int) -> Iterator[str]:
    who = (
        "one client alone" if threads == 1 else f"{threads} threads, each request its own key of one session"
    )
    yield f"\nA save on {database}, over the cost of the same view that only reads: {who}"
    head = ("configuration", "survive", "refused", "µs wall", "(cpu)", *SHARES)
    yield from table(
        head,
        [
            (
                says(name, cache),
                f"{row['survive']} of {row['written']}",
                f"{row['refused']}",
                f"{row['us']:.0f}",
                f"({row['cpu_us']:.0f})",
                *shares(row),
            )
            for name, row in rows.items()
        ],
    )


def logins(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    yield f"\nA sign-in on {database}, without the time of the password hash"
    yield from table(
        ("configuration", "queries", "commits", "µs wall", "(cpu)", *SHARES),
        [
            (
                says(name, cache),
                f"{row['queries']:.0f}",
                f"{row['commits']:.0f}",
                f"{row['us']:.0f}",
                f"({row['cpu_us']:.0f})",
                *shares(row),
            )
            for name, row in rows.items()
        ],
    )


def purges(database: str, rows: dict[str, dict[str, float]], cache: str) -> Iterator[str]:
    yield f"\nclearsessions on {database}, half of the rows expired"
    yield from table(
        ("configuration", "rows", "left", "seconds", "(cpu)", "removed a second"),
        [
            (
                says(name, cache),
                f"{row['rows']}",
                f"{row['left']}",
                f"{row['seconds']:.2f}",
                f"({row['cpu_seconds']:.2f})",
                f"{(row['rows'] - row['left']) / row['seconds']:.0f}",
            )
            for name, row in rows.items()
        ],
    )


def says(name: str, cache: str) -> str:
    """Return what a table calls a configuration."""
    return BY_NAME[name].says.format(cache=cache)


def shares(row: dict[str, float]) -> tuple[str, str]:
    """Return the shares of Django's ``db`` and ``cached_db``; a dash where that was not measured."""
    return tuple(f"{row[name]:.2f}" if row[name] else "-" for name in ("share", "share_of_cached_db"))  # type: ignore[return-value]


def table(head: Sequence[Any], body: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield lines of aligned columns, the first to the left and the others to the right."""
    widths = [max(len(str(row[column])) for row in (head, *body)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *body):
        first, *others = (str(cell) for cell in row)
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])
