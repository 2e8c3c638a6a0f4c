"""The cursor that the one statement of a request runs on: Django's own, on Django's connection.

To make a cursor takes psycopg longer than to read a row with it, so one is kept for each connection. Its
statements are wrapped, logged and timed as all others are. Two things are left out: on PostgreSQL Django's
loader of times, which is plain Python, and on SQLite its search for placeholders in a statement that stays
the same.
"""

from __future__ import annotations

import sqlite3
from _thread import get_ident
from asyncio import _get_running_loop
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.utils.asyncio import async_unsafe

from sessionkeeper.stores.outage import on_live_connection
from sessionkeeper.stores.prepared import Prepared

_TIMESTAMPTZ = "timestamptz"
# Name under which a connection of Django's keeps its cursor.
_KEPT = "_sessionkeeper_cursor"


class _Kept(NamedTuple):
    """A cursor of the driver's, what it was made of, Django's wrapper of it, and what is prepared there."""

    under: Any
    zone: Any
    cursor: Any
    wrapped: Any
    prepared: Prepared | None


_NOTHING = _Kept(None, None, None, None, None)


def fetch_one(connection: Any, sql: str, params: list[Any], *, types: Sequence[str] = ()) -> Any:
    """Execute a SELECT of one row on one of Django's connections; return the row, or None.

    It may be prepared where ``types`` say of what type each of ``params`` is, or with a single one all of
    them, which are the same then. On a kept connection that is lost it is tried once more.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    if _get_running_loop() is not None:  # what Django's own cursor() asks, but dearer
        _refuse_in_loop()
    return on_live_connection(connection, _fetch_one, connection, sql, params, types)


@async_unsafe
def _refuse_in_loop() -> None:
    """Raise what Django raises where a database would hold up an event loop."""


def _fetch_one(connection: Any, sql: str, params: list[Any], types: Sequence[str]) -> Any:
    # A backend of somebody else's may do something at each cursor, such as choose a tenant's schema; and
    # somebody may look at all cursors.
    if type(connection).__module__ not in _DJANGOS or "cursor" in vars(connection):
        with connection.cursor() as wrapped:
            wrapped.execute(sql, params)
            return wrapped.fetchone()
    if connection.health_check_enabled:
        connection.close_if_health_check_failed()
    if connection.connection is None:
        connection.ensure_connection()
    _, _, cursor, wrapped, prepared = _cursor(connection)
    if connection._thread_ident != get_ident():  # noqa: SLF001 - this and the next: what _prepare_cursor() does
        connection.validate_thread_sharing()
    if connection.queries_logged:
        wrapped = connection.make_debug_cursor(cursor)
    if prepared is not None and types:
        prepared.execute(connection, wrapped.execute, sql, params, types)
    else:
        wrapped.execute(sql, params)
    try:
        # The driver's own fetchall(): Django builds a wrapper around it at each call, which costs more. All
        # rows, because SQLite holds its lock until the last one is read.
        rows = cursor.fetchall()
    except Exception:
        with connection.wrap_database_errors:
            raise
    return rows[0] if rows else None


def _cursor(connection: Any) -> _Kept:
    kept: _Kept = vars(connection).get(_KEPT, _NOTHING)
    prepared = kept.prepared
    if kept.under is not connection.connection:
        prepared = Prepared() if connection.vendor == "postgresql" else None
    elif kept.zone is connection.timezone and not getattr(kept.cursor, "closed", False):
        return kept
    with connection.wrap_database_errors:
        cursor = _MAKERS[connection.vendor](connection)
    wrapped = connection.make_cursor(cursor)
    kept = _Kept(connection.connection, connection.timezone, cursor, wrapped, prepared)
    vars(connection)[_KEPT] = kept
    return kept


def _on_postgresql(connection: Any) -> Any:
    cursor = connection.create_cursor()
    if hasattr(cursor, "adapters") and connection.timezone is UTC:  # psycopg 3
        loader = cursor.adapters.get_loader(cursor.adapters.types[_TIMESTAMPTZ].oid, 0)
        cursor.adapters.register_loader(_TIMESTAMPTZ, _quick(loader))
    return cursor


def _on_sqlite(connection: Any) -> Any:
    return connection.connection.cursor(factory=_sqlite_cursor())


_MAKERS = {"postgresql": _on_postgresql, "sqlite": _on_sqlite}
_DJANGOS = {"django.db.backends.postgresql.base", "django.db.backends.sqlite3.base"}


@lru_cache(maxsize=1)
def _sqlite_cursor() -> Any:
    """Return Django's cursor, but for the search for placeholders: once for each statement, not each time."""
    from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX, SQLiteCursorWrapper

    execute = sqlite3.Cursor.execute

    @lru_cache(maxsize=256)
    def converted(query: str) -> str:
        return str(FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%"))

    class Cursor(SQLiteCursorWrapper):
        def execute(self, query: str, params: Any = ()) -> Any:
            return execute(self, converted(query), params)

    return Cursor


@lru_cache(maxsize=8)
def _quick(loader: Any) -> Any:
    """Return a loader that reads the usual form of a time, and leaves the unusual ones to ``loader``."""

    class QuickLoader(loader):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            text = str(data, "ascii")
            if text.endswith("+00"):
                try:
                    return datetime.fromisoformat(text)
                except ValueError:  # before the year 1, after 9999
                    pass
            return super().load(data)

    return QuickLoader
