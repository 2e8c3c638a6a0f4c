"""What the measurements are held against, and what came out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.pages.plots import SERVERS

Results = dict[str, Any]
#: The expired sessions of a purge that tells something of its speed.
_WORTH = 10_000


class Reach(NamedTuple):
    """An aim: what is measured, the limit in words and as a number, and where the results have it.

    Attributes:
        at_most: whether the measured number may not be above the limit; otherwise not below.
        find: returns the number; raises KeyError where it was not measured.
        shown: how a number is written.
    """

    what: str
    limit: float
    at_most: bool
    find: Callable[[Results], float]
    shown: str = "{:.2f}"
    of: str = ""

    @property
    def aim(self) -> str:
        """The limit in words."""
        return (
            f"{'at most' if self.at_most else 'at least'} {self.shown.format(self.limit)} {self.of}".rstrip()
        )

    def holds(self, found: float) -> bool:
        """Return whether the aim is reached."""
        return found <= self.limit if self.at_most else found >= self.limit


def _share(database: str, table: str, name: str, share: str) -> Callable[[Results], float]:
    return lambda results: float(results["requests"]["results"][database][table][name][share])


def _lost(database: str) -> Callable[[Results], float]:
    def find(results: Results) -> float:
        rows = results["requests"]["results"][database]["saves"]
        return float(
            sum(row["written"] - row["survive"] for name, row in rows.items() if name.startswith("ours"))
        )

    return find


def _times(kind: str, what: str, name: str, base: str) -> Callable[[Results], float]:
    """Return how many times as many requests a second as ``base`` has."""

    def find(results: Results) -> float:
        rates = results["servers"]["results"][kind][what]
        mine, other = (statistics.median(one["rate"] for one in rates[which]) for which in (name, base))
        return mine / other

    return find


def _grown(database: str, operation: str) -> Callable[[Results], float]:
    def find(results: Results) -> float:
        rows = list(results["growth"]["results"][database]["sessions"].values())
        return float(rows[-1][operation] / rows[0][operation])

    return find


def _purge(
    database: str, find: Callable[[Any], float], worst: Callable[..., float]
) -> Callable[[Results], float]:
    """Look at the purges of 10,000 rows and more: shorter ones measure the start."""

    def among(results: Results) -> float:
        rows = results["growth"]["results"][database]["purge"].values()
        return worst(find(row) for row in rows if row["expired"] >= _WORTH)

    return among


def _longest(row: Any) -> float:
    return max(float(row["beside"][who]["max"]) for who in ("reader", "writer"))


def _of_requests() -> Iterator[Reach]:
    for database, read, save in (("sqlite", 0.22, 0.7), ("postgresql", 0.25, 0.5)):
        on, db = f"on {SERVERS[database]}", "of Django's `db`"
        yield Reach(f"a read {on}", read, True, _share(database, "requests", "ours", "wall_share"), of=db)
        alone = _share(database, "requests", "ours-engine", "wall_share")
        yield Reach(f"a read {on}, the engine under Django's own middleware", 0.5, True, alone, of=db)
        parallel, single = (_share(database, table, "ours", "share") for table in ("saves", "saves_alone"))
        yield Reach(f"a save {on}, 8 threads", save, True, parallel, of=db)
        yield Reach(f"a save {on}, one client alone", save, True, single, of=db)
        yield Reach(f"parallel writes that are lost {on}", 0, True, _lost(database), "{:.0f}")
        yield Reach(f"a sign-in {on}", 0.8, True, _share(database, "logins", "ours", "share"), of=db)
        bare = _share(database, "logins", "ours-bare", "share")
        yield Reach(f"a sign-in {on}, without lockout and audit", 0.6, True, bare, of=db)
    pg, cached = "postgresql", "of `cached_db`"
    near, principal = (
        _share(pg, "requests", name, "wall_share_of_cached_db")
        for name in ("ours-near", "ours-valkey-principal")
    )
    yield Reach("a hit in the near cache", 0.08, True, near, of=cached)
    yield Reach("a read with sessions in Valkey and `PRINCIPAL_CACHE`", 0.30, True, principal, of=cached)
    for name, table in (("8 threads", "saves"), ("one client alone", "saves_alone")):
        save_there = _share(pg, table, "ours-valkey", "share_of_cached_db")
        yield Reach(f"a save with sessions in Valkey, {name}", 0.7, True, save_there, of=cached)


def _of_servers() -> Iterator[Reach]:
    shown, asked = "{:.1f} times", "requests, sync, 16"
    db, cached = "Django's `db`", "`cached_db`"
    ours, near = (_times("granian", asked, name, "stock-db") for name in ("ours", "ours-near"))
    floor = _times("granian", asked, "ours-near", "floor")
    storm = _times("granian", "storm", "ours", "stock-db")
    yield Reach("a whole server (granian, one thread), database", 2, False, ours, shown, db)
    yield Reach("a whole server, near cache", 6, False, near, shown, db)
    yield Reach("a whole server, near cache", 0.65, False, floor, of="of the floor")
    yield Reach("a storm of sign-ins on 64 connections", 1.2, False, storm, shown, db)
    for server in ("granian-asgi", "uvicorn"):
        view = f"an async view ({server}, 16 connections)"
        ours = _times(server, "requests, async, 16", "ours", "stock-db")
        valkey = _times(server, "requests, async, 16", "ours-valkey", "stock-cached-db")
        yield Reach(f"{view}, database", 2, False, ours, shown, db)
        yield Reach(f"{view}, Valkey", 3, False, valkey, shown, cached)


def _of_growth() -> Iterator[Reach]:
    for database, rate, wait in (("postgresql", 50_000, 50), ("sqlite", 20_000, 250)):
        on = f"on {SERVERS[database]}"
        for operation, says in (
            ("read", "a read"),
            ("save", "a save"),
            ("list 50", "a list"),
            ("end all", "end all"),
        ):
            times = _grown(database, operation)
            yield Reach(
                f"{says} {on} in the largest table", 1.3, True, times, "{:.2f} times", "that in the smallest"
            )
        a_second = _purge(database, lambda row: float(row["a second"]), min)
        longest = _purge(database, _longest, max)
        memory = _purge(database, lambda row: float(row["memory_mb"]), max)
        yield Reach(f"a purge {on}", rate, False, a_second, "{:,.0f}", "rows a second")
        yield Reach(
            f"the longest wait of a reader and a writer beside a purge {on}",
            wait,
            True,
            longest,
            "{:.0f}",
            "ms",
        )
        yield Reach(f"memory that a purge {on} needs more", 20, True, memory, "{:.0f}", "MB")


REACHES = (*_of_requests(), *_of_servers(), *_of_growth())


def measured(results: Results) -> Iterator[tuple[Reach, float | None]]:
    """Yield each aim and what was measured; None: it was not."""
    for reach in REACHES:
        try:
            yield reach, reach.find(results)
        except (KeyError, ValueError, ZeroDivisionError):
            yield reach, None
