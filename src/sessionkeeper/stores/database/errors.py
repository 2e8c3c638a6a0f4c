"""Tells an outage of the database from its refusal of a value or a statement, by the codes of the servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from django.db import Error, InterfaceError, OperationalError, connections

from sessionkeeper.core.errors import StoreUnavailable, StoreUnreachable

_T = TypeVar("_T")


class Kind(Enum):
    """What an error of a database means for who asked."""

    REFUSED = "refused"  # the value or the statement will not do: the caller's error
    BUSY = "busy"  # no answer this time: a lock, a conflict, no room
    READ_ONLY = "read-only"  # no writes here, perhaps at another server
    UNREACHABLE = "unreachable"  # there is no connection, or none any more


_REFUSED, _BUSY, _READ_ONLY, _UNREACHABLE = Kind

#: PostgreSQL's SQLSTATEs, and their classes (two characters) but for those. What is not named is refused.
POSTGRESQL: Mapping[str, Kind] = {
    "08": _UNREACHABLE,  # connection exception; also what poolers say
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

#: Codes of MySQL, MariaDB and their drivers. What is not named is busy if the driver calls it operational.
MYSQL: Mapping[int, Kind] = {
    0: _UNREACHABLE,  # PyMySQL's closed connection
    **dict.fromkeys((1040, 1203, 1226), _UNREACHABLE),  # too many connections
    **dict.fromkeys((1045, 1129, 1130), _UNREACHABLE),  # nobody may connect from here, or with this password
    **dict.fromkeys((1053, 1077, 1079), _UNREACHABLE),  # shutting down
    **dict.fromkeys((1047, 3168), _UNREACHABLE),  # a node of a cluster that is not ready
    **dict.fromkeys((1152, 1158, 1159, 1160, 1161, 1184), _UNREACHABLE),  # aborted on the way
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

#: SQLite's primary result codes. What is not named is refused. Nobody waits for a file: none is unreachable.
SQLITE: Mapping[int, Kind] = {
    **dict.fromkeys((4, 5, 6, 9, 15, 17), _BUSY),  # aborted, busy, locked, interrupted, protocol, schema
    **dict.fromkeys((3, 7, 10, 11, 13, 14, 22, 26), _BUSY),  # access, memory, disk; corrupt, no database
    8: _READ_ONLY,
}


class translate_errors:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Make StoreUnavailable of connection, lock and timeout errors. Refusals pass through as they are."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate what ended the block, as :func:`outage_of` says.

        Raises:
            StoreUnreachable: the database was not reached, or went away.
            StoreUnavailable: it was another outage.
        """
        outage = outage_of(error)
        if outage is not None:
            raise outage from error


def outage_of(error: BaseException | None) -> StoreUnavailable | None:
    """Return the outage that an error tells of, or None: it is another error, or a refusal.

    A connection to a server that takes no writes is let go.
    """
    found = kind_of(error) if isinstance(error, Error) else Kind.REFUSED
    if found is Kind.REFUSED:
        return None
    if found is Kind.READ_ONLY:
        _let_go()
    kind = StoreUnreachable if found is Kind.UNREACHABLE else StoreUnavailable
    return kind("The session store did not answer.")


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
    except Error as error:
        if not (was_kept and close_if_lost(connection, error)):
            raise
    return read(*args)


def close_if_lost(connection: Any, error: Error) -> bool:
    """Close a kept connection that ``error`` says is lost, so that the next try opens another one."""
    if connection.in_atomic_block or kind_of(error) is not Kind.UNREACHABLE:
        return False
    connection.close()
    return True


def revive() -> None:
    """Close the kept connections that are lost, before a first statement that could not be tried again.

    Costs a round trip for each that is kept: for sign-ins, not for each request.
    """
    for connection in connections.all(initialized_only=True):
        is_kept = connection.connection is not None and not connection.in_atomic_block
        if is_kept and not connection.is_usable():
            connection.close()


def kind_of(error: Error) -> Kind:
    """Return what one of Django's database errors means."""
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
    return Kind.UNREACHABLE  # the driver has heard nothing


def _let_go() -> None:
    """Close the connections on which something failed, so that the next one may reach the new primary.

    In a transaction that is for the end of the request.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            if connection.in_atomic_block:
                connection.close_at = 0
            else:
                connection.close()
