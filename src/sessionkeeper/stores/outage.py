"""Tells an outage of the database from its refusal of a value or a statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.utils import InterfaceError, OperationalError

from sessionkeeper.errors import StoreUnavailable, StoreUnreachable

_T = TypeVar("_T")

_OUTAGES = (OperationalError, InterfaceError)
# SQLite has one error class for everything: these are missing tables and columns, and bad SQL.
_SQLITE_REFUSALS = ("no such ", "near ", "table ", "unrecognized token")
# MySQL's drivers file these under OperationalError: a missing column, a statement longer than
# max_allowed_packet, a value that is no date, text that the column's character set lacks, and bad JSON.
_MYSQL_REFUSALS = frozenset({1054, 1153, 1292, 1366, 3140, 3141})
# Their codes for a server that was not reached, or went away.
_MYSQL_UNREACHABLE = frozenset({0, 2002, 2003, 2006, 2013, 2055})
# PostgreSQL's SQLSTATEs for the same: no connection, shutting down or starting, none left. Without one the
# driver has heard nothing.
_POSTGRESQL_UNREACHABLE = ("08", "57P", "53300")


class outages:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Make StoreUnavailable of connection, lock and timeout errors. Refusals pass through as they are."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate what ended the block.

        Raises:
            StoreUnreachable: the database was not reached, or went away.
            StoreUnavailable: it was another outage.
        """
        if error is not None and isinstance(error, _OUTAGES) and not _is_refusal(error):
            outage = StoreUnreachable if is_unreachable(error) else StoreUnavailable
            raise outage("The session store did not answer.") from error


def on_live_connection(connection: Any, read: Callable[..., _T], *args: Any) -> _T:
    """Return what ``read(*args)`` does on one of Django's connections.

    A kept connection that turns out to be lost, since the server was restarted say, is made anew once. Not in
    a transaction, which is lost with it.

    Raises:
        django.db.Error: as ``read`` does.
    """
    was_kept = connection.connection is not None
    try:
        return read(*args)
    except _OUTAGES as error:
        if not was_kept or connection.in_atomic_block or not is_unreachable(error):
            raise
        connection.close()
    return read(*args)


def is_unreachable(error: Exception) -> bool:
    """Whether an error of Django's says that there is no connection, or none any more."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    cause: Any = error.__cause__
    if type(cause).__module__.startswith("sqlite3"):
        return False  # a file is there or not: nobody waits for it
    if len(error.args) > 1:
        return error.args[0] in _MYSQL_UNREACHABLE
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state is None or str(state).startswith(_POSTGRESQL_UNREACHABLE)


def _is_refusal(error: Exception) -> bool:
    if len(error.args) > 1:  # (code, message): MySQL
        return error.args[0] in _MYSQL_REFUSALS
    return str(error).startswith(_SQLITE_REFUSALS)
