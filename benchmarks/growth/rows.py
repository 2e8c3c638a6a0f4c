"""Many sessions and users, written by the server itself as copies of one of each.

The copies share the secret of the session that they were copied from, so that each of them can be opened. No
index and no condition of a statement tells them apart by it.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection

from sessionkeeper.core import keys
from sessionkeeper.core.keys import Key
from sessionkeeper.models import Session

_DAY = 24 * 3600
#: The distance of two ids, so that ten million of them take some days.
_STEP = 1 << 37
#: How many sessions each user has, where their number is not what is measured.
EACH = 10
#: What is generated in one statement.
_CHUNK = 1_000_000


class Rows:
    """The sessions of the benchmark, numbered from 1, which are copies of the session ``key``."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._first = keys.id_before(_days_ago(28))
        self._users = get_user_model()._meta.db_table
        self._first_user = 1_000_000
        self.count = 0
        self._left = 0

    def id(self, number: int) -> int:
        """Return the id of a session."""
        return self._first + number * _STEP

    def key(self, number: int) -> str:
        """Return the key that opens a session."""
        return Key(self.id(number), self._key.secret).text

    def users(self, amount: int) -> list[int]:
        """Return users with ``EACH`` sessions, others at each call, spread over the latest rows."""
        have = self.count // EACH - self._left
        step, first = max(have // amount, 1), self._left
        self._taken = getattr(self, "_taken", 0) + 1
        return [self._first_user + first + (number * step + self._taken) % have for number in range(amount)]

    def fill(self, total: int) -> float:
        """Add sessions until there are ``total``, and their users; return the seconds that it took."""
        began, start = time.perf_counter(), self.count
        self._left, users = start // EACH, (total - start) // EACH
        copy(self._users, "id", self._user, (self._left, total // EACH))
        user = f"{self._first_user + self._left} + g % {users}"
        for first in range(start, total, _CHUNK):
            self.copies(f"{self._first} + g * {_STEP}", user, (first, min(first + _CHUNK, total)))
        self.count = total
        _analyze()
        return time.perf_counter() - began

    def fill_expired(self, amount: int) -> None:
        """Add expired sessions, of visitors and users, evenly between the others."""
        stride = max(self.count // amount, 1)
        where = f"{self._first} + g * {stride * _STEP} + {_STEP // 2}"
        user = f"{self._first_user} + g % {max(self.count // EACH, 1)}"
        for first in range(0, amount, _CHUNK):
            self.copies(
                where, user, (first, min(first + _CHUNK, amount)), expires_at="created_at", data="data"
            )
        _analyze()

    def copies(self, number: str, user: str, span: tuple[int, int], **more: str) -> None:
        """Add a session for each ``g`` of a span: its id, its user, and other columns, as SQL."""
        columns = {"user_id": user, "data": _data(user), **more, "id": number}
        copy(Session._meta.db_table, "id", columns, span, self._key.id)

    @property
    def _user(self) -> dict[str, str]:
        return {"id": f"{self._first_user} + g - 1", "username": f"'g' || ({self._first_user} + g - 1)"}


def _days_ago(days: int) -> Any:
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() - timedelta(days=days)


def _data(user: str) -> str:
    if connection.vendor == "postgresql":
        return f"""data || jsonb_build_object('_auth_user_id', ({user})::text)"""
    return f"json_set(data, '$._auth_user_id', CAST(({user}) AS TEXT))"


def copy(table: str, key: str, columns: dict[str, str], span: tuple[int, int], copied: Any = None) -> None:
    """Copy a row for each number after the first of the span; without ``copied`` the first row."""
    with connection.cursor() as cursor:
        description = connection.introspection.get_table_description(cursor, table)
        names = [column.name for column in description]
        chosen = copied if copied is not None else f"(SELECT min({key}) FROM {table})"
        picked = ", ".join(columns.get(name, name) for name in names)
        first, last = span[0] + 1, span[1]
        if connection.vendor == "postgresql":
            numbers = f"generate_series({first}, {last}::bigint) AS numbers(g)"
        else:
            numbers = (
                f"(WITH RECURSIVE n(g) AS (SELECT {first} UNION ALL SELECT g + 1 FROM n WHERE g < {last}) "
                "SELECT g FROM n)"
            )
        if last >= first:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(names)}) "
                f"SELECT {picked} FROM {table}, {numbers} WHERE {key} = {chosen}"
            )


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
