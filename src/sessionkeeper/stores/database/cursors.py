"""The cursor for the statements on sessions: Django's own, on Django's connection.

Creating a cursor takes psycopg longer than reading a row with it, so one is kept for each connection. Its
statements are wrapped, logged and timed like all others. It skips two things: on PostgreSQL Django's loader
of times, which is plain Python, and on SQLite the search for placeholders in a statement that stays the same.

No cursor is kept where that would bypass another package's hook (on a backend that is not exactly Django's,
or a connection that a tool has patched), nor where threads share the connection. There each read uses a new
``connection.cursor()``.
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
# The attributes of Django's connection that hold its cursor, and the methods it had then.
_KEPT, _SEEN = "_sessionkeeper_cursor", "_sessionkeeper_methods"
# Methods that connection.cursor() calls, and a kept cursor does not, or not each time.
_BYPASSED = frozenset(
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
_methods = attrgetter(*_BYPASSED)
_one_at_a_time = RLock()
_DJANGO = str(Path(django.__file__).parent)


class _Kept(NamedTuple):
    """A cursor of the driver, what it was made from, Django's wrapper of it, and its prepared statements."""

    under: Any
    zone: Any
    cursor: Any
    wrapped: Any
    prepared: Prepared | None


_NOTHING = _Kept(None, None, None, None, None)


def fetch_all(
    connection: Any, sql: str, params: list[Any], *, types: Sequence[str] = (), is_repeatable: bool = True
) -> Sequence[Any]:
    """Execute a statement that returns rows on one of Django's connections, and return them.

    The statement may be prepared if ``types`` gives the types of ``params``, or a single one where all of
    them are the same value. On a persistent connection that is lost it is retried once, if it
    is repeatable.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - cheaper than the check of Django's cursor()
        _refuse_in_loop()
    kind: Any = type(connection)
    make = _maker(kind)
    # Two threads on one cursor crash the interpreter, and with this count Django lets them share.
    is_shared = connection._thread_sharing_count  # noqa: SLF001
    if make is None or is_shared or not _is_untouched(connection):
        if is_repeatable:
            return on_live_connection(connection, _fetch_on_new, connection, sql, params)
        return _fetch_on_new(connection, sql, params)
    was_kept = connection.connection is not None
    try:
        return _fetch_on_kept(connection, make, sql, params, types)
    except Error as error:
        if not (is_repeatable and was_kept and close_if_lost(connection, error)):
            raise
    except BaseException:
        vars(connection).pop(_KEPT, None)  # unread rows would make SQLite keep its lock
        raise
    return fetch_all(connection, sql, params, types=types)


def _refuse_in_loop() -> None:
    """Raise what Django raises where a query would block an event loop."""
    from django.utils.asyncio import async_unsafe

    async_unsafe(int)()


def _fetch_on_new(connection: Any, sql: str, params: list[Any]) -> Sequence[Any]:
    # One at a time if shared: Python's sqlite3 mixes up the rows of threads that run the same statement.
    is_shared = connection._thread_sharing_count  # noqa: SLF001
    with _one_at_a_time if is_shared else nullcontext(), connection.cursor() as wrapped:
        wrapped.execute(sql, params)
        rows: Sequence[Any] = wrapped.fetchall()
        return rows


@lru_cache(maxsize=32)
def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """Return the function that makes a cursor to keep; None for all but Django's own classes."""
    return _MAKERS.get(f"{kind.__module__}.{kind.__qualname__}")


def _is_untouched(connection: Any) -> bool:
    """Whether no tool has replaced a method that a kept cursor bypasses."""
    held, methods = vars(connection), _methods(type(connection))
    if not _BYPASSED.isdisjoint(held) and any(
        _is_replaced(connection, name) for name in _BYPASSED & held.keys()
    ):
        return False
    if held.get(_SEEN) == methods:
        return True
    held[_SEEN] = methods if all(map(_is_djangos, methods)) else None
    return held[_SEEN] is not None


def _is_replaced(connection: Any, name: str) -> bool:
    """Whether an attribute is not the instance's own method, which Django's tests restore there."""
    return getattr(vars(connection)[name], "__func__", None) is not getattr(type(connection), name)


def _is_djangos(function: Any) -> bool:
    return type(function) is FunctionType and function.__code__.co_filename.startswith(_DJANGO)


def _fetch_on_kept(
    connection: Any, make: Callable[[Any], Any], sql: str, params: list[Any], types: Sequence[str]
) -> Sequence[Any]:
    if connection.health_check_enabled:
        connection.close_if_health_check_failed()
    if connection.connection is None:
        connection.ensure_connection()
    _, _, cursor, wrapped, prepared = _cursor(connection, make)
    if connection._thread_ident != get_ident():  # noqa: SLF001 - as _prepare_cursor() does
        connection.validate_thread_sharing()
    if connection.queries_logged:
        wrapped = connection.make_debug_cursor(cursor)
    text, values = sql, params
    if prepared is not None and types:
        answer = prepared.fetch_directly(connection, wrapped, sql, params, types)
        if answer is not None:
            return answer
        text, values = prepared.named(connection, wrapped.execute, sql, params, types)
    try:
        wrapped.execute(text, values)
    except DatabaseError as error:
        if text is sql or prepared is None or not prepared.is_lost(connection, error):
            raise
        wrapped.execute(sql, params)
    try:
        # The driver's own fetchall(), since Django builds a wrapper around it at each call. All rows, since
        # SQLite holds its lock until the last one is read.
        rows: Sequence[Any] = cursor.fetchall()
    except Exception:
        with connection.wrap_database_errors:
            raise
    return rows


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
    """Return Django's cursor class, but with the search for placeholders cached for each statement."""
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
            if methods(SQLiteCursorWrapper) != known:  # a tool has replaced a method
                return super().execute(query, params)
            return execute(self, converted(query), params)

    return Cursor


@lru_cache(maxsize=8)
def _quick(loader: Any) -> Any:
    """Return a loader that parses times in UTC, and leaves all others to ``loader``."""

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
