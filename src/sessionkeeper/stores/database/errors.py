"""Distinguishes outages of the database from errors in values and statements, by the servers' error codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from django.db import Error, InterfaceError, OperationalError, connections

from sessionkeeper.core.errors import StoreBusy, StoreUnavailable, StoreUnreachable

_T = TypeVar("_T")
#: Errors of psycopg's pool: no connection became free in time, or too many waited. The server was not asked.
_OWN_QUEUE = frozenset({"PoolTimeout", "TooManyRequests"})


class Kind(Enum):
    """What a database error means for the caller."""

    REFUSED = "refused"  # the value or the statement is wrong: the caller's error
    BUSY = "busy"  # no answer this time: a lock, a conflict, no space
    READ_ONLY = "read-only"  # no writes at this server, perhaps at another one
    UNREACHABLE = "unreachable"  # there is no connection, or it is lost


_REFUSED, _BUSY, _READ_ONLY, _UNREACHABLE = Kind

#: PostgreSQL's SQLSTATEs, and their classes (two characters) for all others. Unlisted ones are REFUSED.
POSTGRESQL: Mapping[str, Kind] = {
    "08": _UNREACHABLE,  # connection exception; poolers use it too
    "25006": _READ_ONLY,  # read-only transaction: a standby, default_transaction_read_only
    "25P03": _UNREACHABLE,  # idle_in_transaction_session_timeout has closed it
    "25P04": _UNREACHABLE,  # transaction_timeout has closed it
    "28": _UNREACHABLE,  # invalid authorization, when connecting
    "40": _BUSY,  # rolled back: serialization failure, deadlock
    "53": _BUSY,  # no disk, no memory
    "53300": _UNREACHABLE,  # too many connections
    "55": _BUSY,  # a lock is not available, an object is in use
    "57": _BUSY,  # cancelled: statement_timeout
    "57P01": _UNREACHABLE,  # shutting down, or terminated
    "57P02": _UNREACHABLE,  # crashed
    "57P03": _UNREACHABLE,  # starting up
    "57P04": _UNREACHABLE,  # the database was dropped
    "57P05": _UNREACHABLE,  # idle_session_timeout has closed it
    "58": _BUSY,  # system error: input and output
    "72": _BUSY,  # snapshot too old
    "F0": _BUSY,  # configuration file error
    "HV": _BUSY,  # foreign data wrapper
    "XX": _BUSY,  # internal error, corrupted data or index
}

#: Codes of MySQL, MariaDB and their drivers. Unlisted ones are BUSY if the driver raises OperationalError.
MYSQL: Mapping[int, Kind] = {
    0: _UNREACHABLE,  # PyMySQL's closed connection
    **dict.fromkeys((1040, 1203, 1226), _UNREACHABLE),  # too many connections
    **dict.fromkeys((1045, 1129, 1130), _UNREACHABLE),  # host or password not accepted
    **dict.fromkeys((1053, 1077, 1079), _UNREACHABLE),  # shutting down
    **dict.fromkeys((1047, 3168), _UNREACHABLE),  # the node of a cluster is not ready
    **dict.fromkeys((1152, 1158, 1159, 1160, 1161, 1184), _UNREACHABLE),  # network errors
    **dict.fromkeys((1927, 3032, 3169, 4031), _UNREACHABLE),  # killed, offline, idle for too long
    **dict.fromkeys((2002, 2003, 2005, 2006, 2012, 2013, 2026, 2055), _UNREACHABLE),  # the drivers' own
    **dict.fromkeys((1036, 1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1020, 1205, 1206, 1213, 1614, 3101, 3572), _BUSY),  # locks, conflicts
    **dict.fromkeys((1180, 1197, 3100), _BUSY),  # a commit that the cluster refused
    **dict.fromkeys((1317, 1969, 3024), _BUSY),  # interrupted, took too long
    **dict.fromkeys((1021, 1037, 1038, 1041, 1114, 1135), _BUSY),  # no disk, no memory, no threads
    **dict.fromkeys((1026, 1030, 1034, 1035, 1194, 1195, 1712), _BUSY),  # broken files and indexes
    **dict.fromkeys((1054, 1104, 1118, 1142, 1143, 1227, 1364, 1370), _REFUSED),  # columns, rows, privileges
    **dict.fromkeys((1153, 1267, 1271, 1292, 1300, 1366, 1411, 3140, 3141), _REFUSED),  # values
}

#: SQLite's primary result codes. Unlisted ones are REFUSED; a file is never UNREACHABLE.
SQLITE: Mapping[int, Kind] = {
    **dict.fromkeys((4, 5, 6, 9, 15, 17), _BUSY),  # aborted, busy, locked, interrupted, protocol, schema
    **dict.fromkeys((3, 7, 10, 11, 13, 14, 22, 26), _BUSY),  # access, memory, disk; corrupt, no database
    8: _READ_ONLY,
}


class translate_errors:  # noqa: N801 - a context manager, and faster than a generator: every request enters it
    """Translate connection, lock and timeout errors to StoreUnavailable. Other errors pass through."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate the error that ended the block.

        Raises:
            StoreUnreachable: the database could not be reached, or the connection was lost.
            StoreBusy: all connections of this process's pool were in use.
            StoreUnavailable: it was another outage.
        """
        outage = outage_of(error)
        if outage is not None:
            raise outage from error


def outage_of(error: BaseException | None) -> StoreUnavailable | None:
    """Return the outage that an error means, or None for any other error.

    Closes the connection to a server that accepts no writes.
    """
    found = kind_of(error) if isinstance(error, Error) else Kind.REFUSED
    if found is Kind.REFUSED:
        return None
    if found is Kind.READ_ONLY:
        _close_failed()
    kind = StoreUnreachable if found is Kind.UNREACHABLE else StoreUnavailable
    if type(getattr(error, "__cause__", None)).__name__ in _OWN_QUEUE:
        kind = StoreBusy
    return kind("The session store did not answer.")


def on_live_connection(connection: Any, read: Callable[..., _T], *args: Any) -> _T:
    """Return ``read(*args)``, which uses one of Django's connections.

    A persistent connection that turns out to be lost, for example after a restart of the server, is reopened
    once; but not in a transaction, which is lost with it.

    Raises:
        django.db.Error: as ``read`` does.
    """
    was_kept = connection.connection is not None
    try:
        return read(*args)
    except Error as error:
        if not (was_kept and close_if_lost(connection, error)):
            raise
    return read(*args)


def close_if_lost(connection: Any, error: Error) -> bool:
    """Close a connection if ``error`` means that it is lost. Returns whether to retry on a new one."""
    if connection.in_atomic_block or kind_of(error) is not Kind.UNREACHABLE:
        return False
    connection.close()
    return True


def revive() -> None:
    """Close persistent connections that are lost, before a first statement that cannot be retried.

    Costs a round trip for each open connection: for sign-ins, not for every request.
    """
    for connection in connections.all(initialized_only=True):
        is_kept = connection.connection is not None and not connection.in_atomic_block
        if is_kept and not connection.is_usable():
            connection.close()


def kind_of(error: Error) -> Kind:
    """Return the kind of one of Django's database errors."""
    cause: Any = error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return SQLITE.get(code & 0xFF, Kind.REFUSED)
    is_operational = isinstance(error, OperationalError | InterfaceError)
    if len(error.args) > 1 and isinstance(error.args[0], int):  # (code, message): MySQL
        return MYSQL.get(error.args[0], Kind.BUSY if is_operational else Kind.REFUSED)
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state:
        return POSTGRESQL.get(state) or POSTGRESQL.get(state[:2], Kind.REFUSED)
    if type(cause).__module__.startswith("sqlite3") or not is_operational:
        return Kind.REFUSED
    return Kind.UNREACHABLE  # the driver has no answer


def _close_failed() -> None:
    """Close connections that had errors, so that the next ones may reach the new primary.

    In a transaction, this happens at the end of the request.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            if connection.in_atomic_block:
                connection.close_at = 0
            else:
                connection.close()
