"""The cursor that the one statement of a request runs on: Django's own, on Django's connection.

To make a cursor takes psycopg longer than to read a row with it, and Django's loader of times is plain
Python. So on PostgreSQL one cursor is kept for each connection, with a loader that leaves the work to
``fromisoformat``. Its statements are wrapped, logged and timed as all others are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from django.utils.asyncio import async_unsafe

_TIMESTAMPTZ = "timestamptz"
# For each of Django's connections: the driver's connection and the time zone, and the cursor made of them.
_kept: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()


@async_unsafe
def fetch_one(connection: Any, sql: str, params: list[Any]) -> Any:
    """Execute a SELECT on one of Django's connections; return its first row, or None.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    if connection.vendor != "postgresql" or "cursor" in vars(connection):  # somebody looks at all cursors
        with connection.cursor() as wrapped:
            wrapped.execute(sql, params)
            return _first(connection, wrapped.cursor)
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = _cursor(connection)
    connection._prepare_cursor(cursor).execute(sql, params)  # noqa: SLF001 - what connection.cursor() does
    return _first(connection, cursor)


def _first(connection: Any, cursor: Any) -> Any:
    # The driver's own fetchone(): Django builds a wrapper around it at each call, which costs more.
    with connection.wrap_database_errors:
        return cursor.fetchone()


def _cursor(connection: Any) -> Any:
    made_of = connection.connection, connection.timezone
    kept, cursor = _kept.get(connection, (None, None))
    if kept != made_of or cursor.closed:
        cursor = connection.create_cursor()
        if hasattr(cursor, "adapters") and connection.timezone is UTC:  # psycopg 3
            loader = cursor.adapters.get_loader(cursor.adapters.types[_TIMESTAMPTZ].oid, 0)
            cursor.adapters.register_loader(_TIMESTAMPTZ, _quick(loader))
        _kept[connection] = made_of, cursor
    return cursor


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
