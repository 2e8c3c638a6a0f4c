"""The parts of docs/benchmarks.md between ``<!-- results: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks import report
from benchmarks.growth import __main__ as growth
from benchmarks.pages import reaches
from benchmarks.pages.plots import SERVERS

Results = dict[str, Any]
_PART = re.compile(r"(<!-- results: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: str, results: Results) -> str:
    """Return the page with the parts that these results make.

    Raises:
        KeyError: the page asks for a part that there is not.
    """

    def part(match: re.Match[str]) -> str:
        body = "\n".join(PARTS[match[2]](results)).strip("\n")
        return f"{match[1]}\n{body}\n\n{match[3]}"

    return _PART.sub(part, page)


def gains(results: Results) -> Iterator[str]:
    """What a user gains, in a few numbers."""
    rows = results["requests"]["results"]["postgresql"]
    ours, stock = (rows["requests"][name]["wall_us"] for name in ("ours", "stock-db"))
    yield f"- **A request** costs **{ours:,.0f} µs** above the same view without authentication, with"
    near = rows["requests"].get("ours-near")
    fast = f", and {near['wall_us']:,.0f} µs with the near cache" if near else ""
    yield f"  Django's `db` engine **{stock:,.0f} µs** (PostgreSQL){fast}."
    ours, stock = (rows["saves"][name] for name in ("ours", "stock-db"))
    yield "- **Parallel writes** to one session:"
    yield f"  **{ours['survive']:,.0f} of {ours['written']:,.0f} survive**,"
    yield f"  with Django's `db` engine {stock['survive']:,.0f}."
    found = results["growth"]["results"]["postgresql"]
    (few, small), *_, (many, large) = found["sessions"].items()
    yield f"- **It stays as fast**: a read costs {small['read']:,.0f} µs in a table of {int(few):,},"
    yield f"  and **{large['read']:,.0f} µs in one of {int(many):,} sessions**;"
    yield "  to end the ten sessions of a user takes"
    yield f"  {_ms(small['end all'])} and {_ms(large['end all'])}."
    purge = list(found["purge"].values())[-1]
    yield f"- **A purge** removes {purge['a second']:,.0f} expired sessions a second from among"
    reader, writer = (purge["beside"][who]["max"] for who in ("reader", "writer"))
    yield f"  {purge['sessions']:,.0f} others. A reader beside it waited {reader:,.0f} ms at most, a writer"
    yield f"  {writer:,.0f} ms."


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:,.1f} ms"


def where(results: Results) -> Iterator[str]:
    """Where and with what each part was measured."""
    yield from _rows(
        ("", "when", "versions", "machine", "load before"),
        (
            (
                f"`make {command}`",
                machine["date"][:10],
                f"Python {machine['python']}, Django {machine['packages'].get('django', '?')}",
                f"{machine.get('cores') or '?'} cores, {machine.get('processor') or machine['system']}",
                f"{machine['load'][0]:.1f}" if machine.get("load") else "-",
            )
            for command, name in (
                ("bench", "requests"),
                ("bench-growth", "growth"),
                ("bench-servers", "servers"),
            )
            for machine in [results[name]["machine"]]
        ),
    )


def reached(results: Results) -> Iterator[str]:
    """The aims that were reached."""
    yield from _aims(results, lambda reach, found: found is not None and reach.holds(found))


def missed(results: Results) -> Iterator[str]:
    """The aims that were missed, and those that were not measured."""
    yield from _aims(results, lambda reach, found: found is None or not reach.holds(found))


def _aims(results: Results, wanted: Callable[[reaches.Reach, float | None], bool]) -> Iterator[str]:
    rows = [
        (reach.what, reach.aim, "not measured" if found is None else reach.shown.format(found))
        for reach, found in reaches.measured(results)
        if wanted(reach, found)
    ]
    yield from _rows(("", "aim", "measured"), rows) if rows else ["None."]


def _rows(head: Iterable[str], body: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for row in body:
        yield f"| {' | '.join(row)} |"


def tables(results: Results) -> Iterator[str]:
    """The tables of ``make bench``."""
    cache = results["requests"]["method"]["cache"]
    for database, found in results["requests"]["results"].items():
        parts = [
            report.requests(database, found["requests"], cache),
            *(
                report.saves(database, found[name], cache, threads)
                for name, threads in (("saves", 8), ("saves_alone", 1))
                if name in found
            ),
            report.logins(database, found["logins"], cache) if "logins" in found else (),
            report.purges(database, found["purge"], cache) if "purge" in found else (),
        ]
        yield f"### {SERVERS[database]}\n"
        yield from _verbatim(line for part in parts for line in part)


def grown(results: Results) -> Iterator[str]:
    """The tables of ``make bench-growth``."""
    for database, found in results["growth"]["results"].items():
        yield f"### {SERVERS.get(database, database)}\n"
        yield from _verbatim(growth.lines(database, found))


def servers(results: Results) -> Iterator[str]:
    """The tables of ``make bench-servers``."""
    cache = results["requests"]["method"]["cache"]
    for kind, found in results["servers"]["results"].items():
        yield f"### {kind}\n"
        yield from _verbatim(
            line
            for what, rows in found.items()
            for line in ("", f"{what} connections", *_loaded(rows, cache))
        )


def _loaded(rows: dict[str, list[dict[str, float]]], cache: str) -> Iterator[str]:
    first, *_ = rows
    base = _middle(rows[first], "rate")
    holds = any(one.get("threads") for rounds in rows.values() for one in rounds)
    body = []
    for name, rounds in rows.items():
        rate = _middle(rounds, "rate")
        cells = [
            f"{rate:.0f}",
            f"{rate / base:.2f}",
            *(f"{_middle(rounds, at):.1f}" for at in ("p50", "p99")),
        ]
        cells.append(f"{sum(one['failed'] for one in rounds):.0f}")
        if holds:
            cells += [f"{max(one.get(what) or 0 for one in rounds):.0f}" for what in ("threads", "database")]
            cells.append(f"{_middle(rounds, 'late'):.1f}")
        body.append((report.says(name, cache), *cells))
    head = ["configuration", "a second", f"of {first}", "p50 ms", "p99 ms", "failed"]
    yield from report.table([*head, *(("threads", "database", "loop late ms") if holds else ())], body)


def _middle(rounds: list[dict[str, float]], what: str) -> float:
    return statistics.median(one.get(what) or 0 for one in rounds)


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield "```text\n" + "\n".join(lines).strip("\n") + "\n```\n"


PARTS: dict[str, Callable[[Results], Iterator[str]]] = {
    "gains": gains,
    "where": where,
    "reached": reached,
    "missed": missed,
    "tables": tables,
    "growth": grown,
    "servers": servers,
}
