"""The kept cursor: Django's connection, its wrappers, its errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, transaction

from sessionkeeper.stores.database import cursors

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection():
    return connections["default"]


def one(sql, *params):
    return next(iter(cursors.fetch_all(connections["default"], sql, list(params))), None)


def test_the_first_row_or_none():
    assert tuple(one("SELECT 1, 'a'")) == (1, "a")
    assert one("SELECT 1 WHERE 1 = 0") is None


def test_wrappers_and_the_query_log_see_the_statement(connection, django_assert_num_queries):
    seen = []

    def note(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note), django_assert_num_queries(1):
        one("SELECT 1")
    assert seen == ["SELECT 1"]


def test_a_tool_that_replaced_cursor_is_asked_for_one(connection, monkeypatch):
    asked = []
    real = connection.cursor

    def cursor(*args, **kwargs):
        asked.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(connection, "cursor", cursor)
    assert one("SELECT 1")[0] == 1
    assert asked == [()]


def test_an_error_is_djangos_and_the_next_statement_runs():
    with pytest.raises(DatabaseError):
        one("SELECT nothing_like_it FROM nowhere")
    assert one("SELECT 2")[0] == 2


def test_another_connection_gets_another_cursor(connection):
    one("SELECT 1")
    connection.close()
    assert one("SELECT 3")[0] == 3


def test_no_statement_runs_in_a_broken_transaction():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            one("SELECT 1")


def test_no_statement_runs_in_another_thread_than_the_connections(connection, monkeypatch):
    monkeypatch.setattr(connection, "_thread_sharing_count", 0)  # what a live server leaves behind
    one("SELECT 1")  # the cursor is there
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(cursors.fetch_all, connection, "SELECT 1", []).exception()
    assert isinstance(refused, DatabaseError)
    assert "created in a thread" in str(refused)
    connection.inc_thread_sharing()
    try:
        with ThreadPoolExecutor() as pool:
            assert [*pool.submit(cursors.fetch_all, connection, "SELECT 1", []).result()] == [(1,)]
    finally:
        connection.dec_thread_sharing()


def test_no_statement_runs_in_an_event_loop():
    @async_to_sync
    async def inside():
        one("SELECT 1")

    with pytest.raises(SynchronousOnlyOperation):
        inside()


@contextmanager
def time_zone(connection, name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, false)", [name])
    try:
        yield
    finally:
        connection.close()


@pytest.mark.postgres
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "text", ["2026-06-01 12:00:00+00", "0099-12-31 23:59:59.000001+00", "2026-06-01 12:00:00.5+00"]
)
def test_times_are_read_as_django_reads_them(connection, zone, text):
    with time_zone(connection, zone):
        (ours,) = one("SELECT %s::timestamptz", text)
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::timestamptz", [text])
            (theirs,) = cursor.fetchone()
    assert (ours, ours.tzinfo) == (theirs, UTC)


@pytest.mark.postgres
def test_a_time_that_no_datetime_holds_is_refused_as_django_refuses_it():
    with pytest.raises(DatabaseError):
        one("SELECT 'infinity'::timestamptz")
