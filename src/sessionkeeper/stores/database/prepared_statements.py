"""Prepares the statement of a request on a PostgreSQL connection, so that the server plans it only once.

Behind a pooler that shares server connections between clients, a prepared statement may be missing, or exist
already. Then the full statement is sent, which costs one round trip, and after a few such losses the process
prepares nothing more on that database. The full statement is always sent in a transaction, which such an
error would break, and where statements are observed: by the query log, ``DEBUG`` or execute wrappers.

A prepared statement is executed by psycopg's interface to libpq, without a cursor, which would take longer
than the server. Where that is not possible (another driver, a patched cursor, patched sockets), or where it
fails, the cursor executes it.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from types import FunctionType
from typing import Any

from django.db import DatabaseError

#: Uses on one connection after which a statement is prepared; never on a connection per request.
USES = 5
#: The most statements that are prepared on one connection.
MOST = 8
#: Losses on one database after which the process prepares nothing more there.
MOST_LOSSES = 3

# PostgreSQL's SQLSTATEs: no such prepared statement, it exists already, its plan no longer fits the tables.
# libpq's PGRES_TUPLES_OK.
_TUPLES_OK = 2
_LOST = frozenset({"26000", "42P05", "0A000"})
_losses: Counter[str] = Counter()


class Prepared:
    """The statements that are prepared on one connection of the driver."""

    __slots__ = ("_cursor", "_is_direct", "_methods", "_names", "_rows", "_uses")

    def __init__(self) -> None:
        self._cursor: Any = None
        self._methods: tuple[Any, ...] = ()
        self._is_direct = False
        self._rows: Any = None
        self._uses: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def named(
        self, connection: Any, execute: Callable[..., Any], sql: str, params: list[Any], types: Sequence[str]
    ) -> tuple[str, list[Any]]:
        """Return SQL and parameters that execute the prepared statement, or ``sql`` and ``params``.

        ``types`` are those of the parameters; a single one where all parameters are the same value.

        Raises:
            django.db.Error: as any cursor of Django's does.
        """
        if not _is_safe(connection):
            return sql, params
        try:
            name = self._names.get(sql) or self._prepare(execute, sql, params, types)
        except DatabaseError as error:
            if not self.is_lost(connection, error):
                raise
            name = None
        if name is None:
            return sql, params
        return f"EXECUTE {name}({', '.join(['%s'] * len(types))})", params[: len(types)]

    def fetch_directly(
        self, connection: Any, wrapped: Any, sql: str, params: list[Any], types: Sequence[str]
    ) -> Sequence[Any] | None:
        """Execute a prepared statement without a cursor, and return its rows.

        Returns None where the cursor has to execute it: also where the statement failed, so that the cursor
        meets the error, and raises it.
        """
        name = self._names.get(sql)
        if name is None or not _is_safe(connection) or not self._knows(wrapped):
            return None
        pgconn = wrapped.cursor.connection.pgconn
        if pgconn.transaction_status or not all(type(param) is int for param in params):
            return None
        values = [b"%d" % param for param in params]
        try:
            result = pgconn.exec_prepared(name.encode(), values[: len(types)])
        except connection.Database.Error:
            return None
        if result.status != _TUPLES_OK:
            return None
        if not result.ntuples:
            return ()
        self._rows.set_pgresult(result)
        rows: Sequence[Any] = self._rows.load_rows(0, result.ntuples, tuple)
        return rows

    def _knows(self, wrapped: Any) -> bool:
        """Whether nobody has replaced a method that :meth:`fetch_directly` bypasses."""
        cursor = wrapped.cursor
        kind, outer = type(cursor), type(wrapped)
        methods = (outer.execute, outer._execute_with_wrappers, kind.execute, kind.fetchall)  # noqa: SLF001
        if cursor is not self._cursor or methods != self._methods:
            self._cursor, self._methods = cursor, methods
            self._is_direct = _is_psycopg(cursor) and all(map(_is_original, methods))
            if self._is_direct:
                from psycopg.adapt import Transformer

                self._rows = Transformer(cursor)
        return self._is_direct

    def is_lost(self, connection: Any, error: DatabaseError) -> bool:
        """Whether an error means that a prepared statement is missing or another one; then forget all."""
        if _state(error) not in _LOST:
            return False
        _losses[connection.alias] += 1
        self._uses.clear()
        self._names.clear()
        return True

    def _prepare(
        self, execute: Callable[..., Any], sql: str, params: list[Any], types: Sequence[str]
    ) -> str | None:
        uses = self._uses.get(sql, 0)
        if uses < USES:
            if uses or len(self._uses) < MOST:
                self._uses[sql] = uses + 1
            return None
        # Named by its content, so that a statement of this name is always the right one.
        name = f"sessionkeeper_{sha256(sql.encode()).hexdigest()[:32]}"
        places = tuple("$1" if len(types) == 1 else f"${number + 1}" for number in range(len(params)))
        execute(f"PREPARE {name}({', '.join(types)}) AS {sql % places}", None)
        self._names[sql] = name
        return name


def _is_psycopg(cursor: Any) -> bool:
    """Whether this is a cursor of psycopg 3, which waits for the server as this thread may: not in gevent."""
    return hasattr(getattr(cursor, "connection", None), "pgconn") and socket.socket.__module__ == "socket"


def _is_original(method: Any) -> bool:
    return type(method) is FunctionType and method.__module__.partition(".")[0] in {"django", "psycopg"}


def _is_safe(connection: Any) -> bool:
    options = connection.settings_dict
    return (
        not connection.in_atomic_block
        and connection.autocommit
        and not connection.execute_wrappers
        and not connection.queries_logged
        and not options.get("DISABLE_SERVER_SIDE_CURSORS")  # Django's setting for such poolers
        # With this option the driver prepares statements itself.
        and not options.get("OPTIONS", {}).get("server_side_binding")
        and _losses[connection.alias] < MOST_LOSSES
    )


def _state(error: DatabaseError) -> str | None:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
