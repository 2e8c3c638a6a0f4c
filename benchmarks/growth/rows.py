"""Many sessions and users, written by the database itself as copies of one of each.

The copies share the secret of the session that they were copied from, so that each of them can be opened. No
index and no condition of a statement tells them apart by it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.core.keys import Key
from sessionkeeper.models import Session

#: How many sessions a user has, where their number is not what is measured.
EACH = 10
#: The distance of two ids: ten million sessions began in the course of 15 days.
_STEP = 1 << 29
_FIRST_USER = 1_000_000
_CHUNK = 1_000_000  # rows of one statement


class Rows:
    """Sessions with the numbers 1 to ``count``, which are copies of the session ``key``.

    Those of one user are spread over the rows that were filled in at once. Numbers below zero are of users
    with a number of sessions of their own.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self._first = keys.id_before(timezone.now() - timedelta(days=28))
        self._user_table = get_user_model()._meta.db_table
        self.start = self.count = self._alone = self._people = 0

    def id(self, number: int) -> int:
        """Return the id of a session."""
        return self._first + number * _STEP

    def key(self, number: int) -> str:
        """Return the key that opens a session."""
        return Key(self.id(number), self._key.secret).text

    def some(self, amount: int, offset: int = 0) -> list[int]:
        """Return the numbers of sessions, spread over those of the last ``fill``."""
        stride = max((self.count - self.start) // amount, 1)
        return [
            self.start + 1 + (number * stride + offset) % (self.count - self.start)
            for number in range(amount)
        ]

    def users(self, amount: int, offset: int = 0) -> list[int]:
        """Return users with ``EACH`` sessions, spread in the same way."""
        first, people = self.start // EACH, (self.count - self.start) // EACH
        stride = max(people // amount, 1)
        return [_FIRST_USER + first + (number * stride + offset) % people for number in range(amount)]

    def fill(self, total: int) -> None:
        """Add sessions until there are ``total``, and their users."""
        self.start, first = self.count, self.count // EACH
        people = total // EACH - first
        self._add_users(_FIRST_USER + first, people)
        user = f"{_FIRST_USER + first} + g % {people}"
        for begin in range(self.start, total, _CHUNK):
            self._copies(f"{self._first} + g * {_STEP}", user, (begin, min(begin + _CHUNK, total)))
        self.count = total
        analyze()

    def fill_expired(self, amount: int) -> None:
        """Add expired sessions of users, evenly between the others."""
        stride = max(self.count // amount, 1)
        where = f"{self._first} + g * {stride * _STEP} + {_STEP // 2}"
        user = f"{_FIRST_USER} + g % {self.count // EACH}"
        for begin in range(0, amount, _CHUNK):
            self._copies(where, user, (begin, min(begin + _CHUNK, amount)), expires_at="created_at")
        analyze()

    def of_one(self, amount: int, filler: int = 0) -> tuple[int, list[int]]:
        """Add a user with ``amount`` sessions of ``filler`` bytes; return the user and their numbers."""
        self._people += 1
        self._add_users(user := self._person(), 1)
        begin, self._alone = self._alone, self._alone + amount
        more = {"data": _filled(_data(str(user)), filler)} if filler else {}
        self._copies(f"{self._first} - g * {_STEP}", str(user), (begin, self._alone), **more)
        return user, [-number for number in range(begin + 1, self._alone + 1)]

    def _person(self) -> int:
        return _FIRST_USER - self._people

    def _add_users(self, first: int, amount: int) -> None:
        number = f"{first} + g - 1"
        copy(self._user_table, "id", {"id": number, "username": f"'g' || ({number})"}, (0, amount))

    def _copies(self, number: str, user: str, span: tuple[int, int], **more: str) -> None:
        """Add a session for each ``g`` of a span: its id, its user, and other columns, as SQL."""
        Session._base_manager.filter(pk=self._key.id).update(last_seen_at=timezone.now())
        columns = {"user_id": user, "data": _data(user), **more, "id": number}
        copy(Session._meta.db_table, "id", columns, span, self._key.id)


def _data(user: str) -> str:
    if connection.vendor == "postgresql":
        return f"data || jsonb_build_object('_auth_user_id', ({user})::text)"
    return f"json_set(data, '$._auth_user_id', CAST(({user}) AS TEXT))"


def _filled(data: str, size: int) -> str:
    """Return data with so many bytes more, which cannot be compressed to a few."""
    if connection.vendor == "postgresql":
        part = (
            f"(SELECT left(string_agg(md5(i::text), ''), {size}) FROM generate_series(0, {size // 32}) AS i)"
        )
        return f"{data} || jsonb_build_object('filler', {part})"
    return f"json_set({data}, '$.filler', hex(randomblob({size // 2})))"


def copy(table: str, key: str, columns: dict[str, str], span: tuple[int, int], copied: Any = None) -> None:
    """Copy a row for each ``g`` above the first number of a span, up to the second; by default the first row.

    ``columns`` are the columns that differ, as SQL.
    """
    first, last = span[0] + 1, span[1]
    with connection.cursor() as cursor:
        names = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        picked = ", ".join(columns.get(name, name) for name in names)
        if connection.vendor == "postgresql":
            numbers = f"generate_series({first}, {last}::bigint) AS numbers(g)"
        else:
            below = f"SELECT {first} UNION ALL SELECT g + 1 FROM n WHERE g < {last}"
            numbers = f"(WITH RECURSIVE n(g) AS ({below}) SELECT g FROM n)"
        chosen = str(copied) if copied is not None else f"(SELECT min({key}) FROM {table})"
        source = f"SELECT {picked} FROM {table}, {numbers} WHERE {key} = {chosen}"
        cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) {source}")


def analyze() -> None:
    """Let the database take notice of what it has, as it does by itself after a while."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
