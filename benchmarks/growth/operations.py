"""What is measured: requests through the WSGI handler, and calls of the registry, one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.growth.rows import Rows
from benchmarks.worker import Site, environ
from sessionkeeper.engine import registry

#: Operations whose cost is over that of a request that asks the store nothing.
REQUESTS = ("read", "save", "sign-in")
#: In the order in which they are measured and shown.
OPERATIONS = (*REQUESTS, "list 50", "end one", "end all")
_POOL = 200


def took(operate: Callable[[Any], object], given: Iterable[Any]) -> float:
    """Return the median µs of a call."""
    walls = []
    for one in given:
        start = time.perf_counter_ns()
        operate(one)
        walls.append(time.perf_counter_ns() - start)
    return statistics.median(walls) / 1000


class Measure:
    """Measures operations on the sessions with some numbers, and their users."""

    def __init__(self, site: Site, rows: Rows, times: int) -> None:
        self._site, self._rows, self._times = site, rows, times

    def everything(self) -> dict[str, float]:
        """Measure all operations on the sessions that were filled in last."""
        rows, pool = self._rows, self._rows.some(min(_POOL, self._times))
        found = self.requests(pool)
        found["list 50"] = took(self._list, rows.users(self._times) * 2)
        found["sign-in"] = self._over(lambda _: self._get("/sign-in/"), range(self._times))
        found["end one"] = took(self._end, rows.some(self._times // 2, offset=1))
        found["end all"] = took(registry.revoke_all, rows.users(self._times // 4, offset=2))
        return in_order(found)

    def one_user(self, amount: int) -> dict[str, float]:
        """Measure all operations on a user with so many sessions."""
        user, numbers = self._rows.of_one(amount)
        found = self.requests(numbers[:_POOL])
        found["list 50"] = took(self._list, [user] * self._times)
        name = f"g{user}"
        found["sign-in"] = self._over(lambda _: self._get("/sign-in/", query=f"user={name}"), range(20))
        others = [self._rows.of_one(amount) for _ in range(5)]
        found["end one"] = took(self._end, [one[1][amount // 2] for one in others])
        found["end all"] = took(registry.revoke_all, [one[0] for one in others])
        return in_order(found)

    def data(self, size: int) -> dict[str, float]:
        """Measure reads and saves of sessions with so many bytes of data."""
        user, numbers = self._rows.of_one(10, filler=size)
        found = self.requests(numbers)
        found["list 50"] = took(self._list, [user] * 10)
        return in_order(found)

    def requests(self, pool: list[int]) -> dict[str, float]:
        """Measure a read and a save, after each session was asked for once."""
        for number in pool:
            self._check(number)
        turns = [pool[number % len(pool)] for number in range(max(self._times, len(pool)))]
        found = {"read": self._over(lambda number: self._get("/whoami/", number), turns)}
        found["save"] = self._over(lambda number: self._get("/write/growth/", number), turns)
        return found

    def _over(self, operate: Callable[[Any], object], given: Iterable[Any]) -> float:
        """Return the median µs over a request that asks the store nothing and was made just before."""
        over = []
        for one in given:
            start = time.perf_counter_ns()
            self._get("/whoami/")
            middle = time.perf_counter_ns()
            operate(one)
            over.append(time.perf_counter_ns() - 2 * middle + start)
        return statistics.median(over) / 1000

    def _get(self, path: str, number: int | None = None, query: str = "") -> bytes:
        cookie = {} if number is None else {"HTTP_COOKIE": f"sessionid={self._rows.key(number)}"}
        status, body = self._site.get({**environ(path, cookie), "QUERY_STRING": query})
        if not status.startswith("200"):
            raise SystemExit(f"{path} answered {status}.")
        return body

    def _check(self, number: int) -> None:
        if not self._get("/whoami/", number).startswith(b'{"user":"g'):
            raise SystemExit(f"The session with the number {number} opens nothing.")

    @staticmethod
    def _list(user: int) -> None:
        if not registry.page_for(user, None)[0]:
            raise SystemExit(f"The user {user} has no sessions.")

    def _end(self, number: int) -> None:
        if not registry.revoke(self._rows.id(number)):
            raise SystemExit(f"There was no session with the number {number}.")


def in_order(found: dict[str, float]) -> dict[str, float]:
    """Return what was measured in the order of the tables."""
    return {name: found[name] for name in OPERATIONS if name in found}
