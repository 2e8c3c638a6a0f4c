"""What MySQL and its drivers file under one class is told apart by its code. Needs no server."""

from __future__ import annotations

import pytest
from django.db.utils import DatabaseError, InterfaceError, InternalError, OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests

from sessionkeeper.core.errors import StoreBusy, StoreUnavailable
from sessionkeeper.stores.database.errors import Kind, kind_of, translate_errors

OUTAGES = {
    "no connection": OperationalError(2002, "Can't connect to server"),
    "server gone": OperationalError(2006, "Server has gone away"),
    "connection lost": OperationalError(2013, "Lost connection to server during query"),
    "too many connections": OperationalError(1040, "Too many connections"),
    "lock": OperationalError(1205, "Lock wait timeout exceeded"),
    "deadlock": OperationalError(1213, "Deadlock found"),
    "statement time of MariaDB": OperationalError(1969, "max_statement_time exceeded"),
    "statement time of MySQL": OperationalError(3024, "maximum statement execution time exceeded"),
    "read-only": OperationalError(1290, "--read-only"),
    "read-only, filed elsewhere": InternalError(1792, "Cannot execute statement in a READ ONLY transaction"),
    "disk full": InternalError(1021, "Disk full"),
    "a code that nobody knows": OperationalError(9999, "?"),
    "PyMySQL's closed connection": InterfaceError(0, ""),
}
REFUSALS = {
    "missing column": OperationalError(1054, "Unknown column 'x'"),
    "too long": OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes"),
    "no date": OperationalError(1292, "Incorrect datetime value"),
    "character set": OperationalError(1366, "Incorrect string value: '\\xF0\\x9F\\x98\\x80'"),
    "JSON": OperationalError(3140, "Invalid JSON text"),
}


@pytest.mark.parametrize("error", OUTAGES.values(), ids=OUTAGES)
def test_a_server_that_cannot_answer_is_an_outage(error):
    with pytest.raises(StoreUnavailable), translate_errors():
        raise error


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
def test_a_value_or_statement_that_the_server_refuses_is_no_outage(error):
    with pytest.raises(OperationalError), translate_errors():
        raise error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1040, Kind.UNREACHABLE),
        (1836, Kind.READ_ONLY),
        (1213, Kind.BUSY),
        (3100, Kind.BUSY),
        (1142, Kind.REFUSED),
    ],
)
def test_a_code_means_the_same_in_whatever_class_a_driver_files_it(code, kind):
    for error in (OperationalError, InternalError, DatabaseError):
        assert kind_of(error(code, "")) is kind


@pytest.mark.parametrize("cause", [PoolTimeout(), TooManyRequests()])
def test_a_pool_that_has_no_connection_left_says_nothing_about_the_server(cause):
    with pytest.raises(StoreBusy), translate_errors():
        raise OperationalError("couldn't get a connection after 30.00 sec") from cause
