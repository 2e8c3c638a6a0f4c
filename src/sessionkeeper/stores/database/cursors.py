"""The cursor that the one statement of a request runs on: Django's own, on Django's connection.

To make a cursor takes psycopg longer than to read a row with it, so one is kept for each connection. Its
statements are wrapped, logged and timed as all others are. Two things are left out: on PostgreSQL Django's
loader of times, which is plain Python, and on SQLite its search for placeholders in a statement that stays
the same.

None is kept where a hook of somebody else's would be passed by, on a backend that is not exactly Django's or
a connection that a tool has patched, nor where threads share the connection. There each read gets what
``connection.cursor()`` gives.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from threading import RLock, get_ident
from types import FunctionType
from typing import Any, NamedTuple

import django
from django.db import DatabaseError, Error

from sessionkeeper.stores.database.errors import close_if_lost, on_live_connection
from sessionkeeper.stores.database.prepared_statements import Prepared

_TIMESTAMPTZ = "timestamptz"
# Names under which a connection of Django's keeps its cursor, and the methods that it had then.
_KEPT, _SEEN = "_sessionkeeper_cursor", "_sessionkeeper_methods"
# What connection.cursor() goes through and a kept cursor does not, or not each time.
_PASSED_BY = frozenset(
    (
        "cursor",
        "_cursor",
        "_prepare_cursor",
        "create_cursor",
        "make_cursor",
        "ensure_connection",
        "close_if_health_check_failed",
        "validate_thread_sharing",
    )
)
_methods = attrgetter(*_PASSED_BY)
_in_turn = RLock()
_DJANGO = str(Path(django.__file__).parent)


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
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - what Django's own cursor() asks, but dearer
        _refuse_in_loop()
    kind: Any = type(connection)
    make = _maker(kind)
    # Two threads on one cursor end the interpreter, and with a count here Django lets them share.
    is_shared = connection._thread_sharing_count  # noqa: SLF001
    if make is None or is_shared or not _is_untouched(connection):
        return on_live_connection(connection, _fetch_on_new, connection, sql, params)
    was_kept = connection.connection is not None
    try:
        return _fetch_on_kept(connection, make, sql, params, types)
    except Error as error:
        if not (was_kept and close_if_lost(connection, error)):
            raise
    except BaseException:
        vars(connection).pop(_KEPT, None)  # its rows may not be read to the end: SQLite would keep its lock
        raise
    return fetch_one(connection, sql, params, types=types)


def _refuse_in_loop() -> None:
    """Raise what Django raises where a database would hold up an event loop."""
    from django.utils.asyncio import async_unsafe

    async_unsafe(int)()


def _fetch_on_new(connection: Any, sql: str, params: list[Any]) -> Any:
    # In turn, where shared: Python's sqlite3 gives threads that run one statement each other's rows.
    is_shared = connection._thread_sharing_count  # noqa: SLF001
    with _in_turn if is_shared else nullcontext(), connection.cursor() as wrapped:
        wrapped.execute(sql, params)
        return wrapped.fetchone()


@lru_cache(maxsize=32)
def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """Return what makes the cursor to keep; None for all but Django's own classes."""
    return _MAKERS.get(f"{kind.__module__}.{kind.__qualname__}")


def _is_untouched(connection: Any) -> bool:
    """Whether no tool has put anything into the methods that a kept cursor passes by."""
    held, methods = vars(connection), _methods(type(connection))
    if not _PASSED_BY.isdisjoint(held) and any(
        _is_replaced(connection, name) for name in _PASSED_BY & held.keys()
    ):
        return False
    if held.get(_SEEN) == methods:
        return True
    held[_SEEN] = methods if all(map(_is_djangos, methods)) else None
    return held[_SEEN] is not None


def _is_replaced(connection: Any, name: str) -> bool:
    """Whether an attribute is not just the instance's own method, which Django's tests put back there."""
    return getattr(vars(connection)[name], "__func__", None) is not getattr(type(connection), name)


def _is_djangos(function: Any) -> bool:
    return type(function) is FunctionType and function.__code__.co_filename.startswith(_DJANGO)


def _fetch_on_kept(
    connection: Any, make: Callable[[Any], Any], sql: str, params: list[Any], types: Sequence[str]
) -> Any:
    if connection.health_check_enabled:
        connection.close_if_health_check_failed()
    if connection.connection is None:
        connection.ensure_connection()
    _, _, cursor, wrapped, prepared = _cursor(connection, make)
    if connection._thread_ident != get_ident():  # noqa: SLF001 - this and the next: what _prepare_cursor() does
        connection.validate_thread_sharing()
    if connection.queries_logged:
        wrapped = connection.make_debug_cursor(cursor)
    text, values = sql, params
    if prepared is not None and types:
        text, values = prepared.named(connection, wrapped.execute, sql, params, types)
    try:
        wrapped.execute(text, values)
    except DatabaseError as error:
        if text is sql or prepared is None or not prepared.is_lost(connection, error):
            raise
        wrapped.execute(sql, params)
    try:
        # The driver's own fetchall(): Django builds a wrapper around it at each call, which costs more. All
        # rows, because SQLite holds its lock until the last one is read.
        rows = cursor.fetchall()
    except Exception:
        with connection.wrap_database_errors:
            raise
    return rows[0] if rows else None


def _cursor(connection: Any, make: Callable[[Any], Any]) -> _Kept:
    kept: _Kept = vars(connection).get(_KEPT, _NOTHING)
    prepared = kept.prepared
    if kept.under is not connection.connection:
        prepared = Prepared() if connection.vendor == "postgresql" else None
    elif kept.zone is connection.timezone and not getattr(kept.cursor, "closed", False):
        return kept
    with connection.wrap_database_errors:
        cursor = make(connection)
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


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "django.db.backends.postgresql.base.DatabaseWrapper": _on_postgresql,
    "django.db.backends.sqlite3.base.DatabaseWrapper": _on_sqlite,
}


@lru_cache(maxsize=1)
def _sqlite_cursor() -> Any:
    """Return Django's cursor, but for the search for placeholders: once for each statement, not each time."""
    from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX, SQLiteCursorWrapper

    execute, methods = sqlite3.Cursor.execute, attrgetter("execute", "convert_query")
    known = methods(SQLiteCursorWrapper)
    if not all(map(_is_djangos, known)):
        return SQLiteCursorWrapper

    @lru_cache(maxsize=256)
    def converted(query: str) -> str:
        return str(FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%"))

    class Cursor(SQLiteCursorWrapper):
        def execute(self, query: str, params: Any = ()) -> Any:
            if methods(SQLiteCursorWrapper) != known:  # a tool has put something in
                return super().execute(query, params)
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
