"""The statement of a request is planned once for each connection, and never wrong for it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from sessionkeeper.stores.database import cursors, prepared_statements
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.redis import tombstones, user_lookup
from tests.conftest import new_user
from tests.servers.poolers import has_pooler, pooler
from tests.stores import database, insert

CLIENTS = 4
POOLED = [f"pooled{number}" for number in range(CLIENTS)]
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.usefixtures("any_database"),
]
SQL = "SELECT %s::bigint, 'a'"
MANY = prepared_statements.USES + 3


@pytest.fixture(autouse=True)
def connection():
    """A connection on which nothing is prepared, and no database that losses are known of."""
    connections["default"].close()
    prepared_statements._losses.clear()
    yield connections["default"]
    prepared_statements._losses.clear()
    connections["default"].close()


def ask(number=7, sql=SQL, alias="default"):
    return tuple(cursors.fetch_all(connections[alias], sql, [number], types=("bigint",))[0])


def names(alias="default"):
    """What is prepared on the connection by name, and how often each was executed."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT name, generic_plans + custom_plans FROM pg_prepared_statements ORDER BY name")
        return dict(cursor.fetchall())


def run(statement):
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)


def test_parameters_that_differ_have_types_of_their_own():
    sql = "SELECT %s::bigint, %s::uuid, %s::bigint"
    for number in range(MANY):
        given = [number, UUID(int=number), number + 1]
        (row,) = cursors.fetch_all(connections["default"], sql, given, types=("bigint", "uuid", "bigint"))
        assert list(row) == given
    assert len(names()) == 1


def test_the_user_of_a_session_in_valkey_is_asked_for_by_a_statement_that_is_prepared():
    user = new_user()
    for number in range(MANY):
        answer = user_lookup.ask(number, user.pk, namespace="", principal=True)
        assert (answer.principal, answer.ended) == (user, False)
    tombstones.record([(5, datetime.now(UTC))])
    assert [user_lookup.ask(number, user.pk, namespace="", principal=True).ended for number in (4, 5)] == [
        False,
        True,
    ]
    assert user_lookup.ask(4, -1, namespace="", principal=True).principal is None
    assert list(names().values())[:1] == [MANY - prepared_statements.USES + 3]


def test_a_statement_is_prepared_after_a_few_uses_and_answers_the_same():
    assert {ask(number) for number in range(prepared_statements.USES)} == {
        (number, "a") for number in range(5)
    }
    assert names() == {}
    assert [ask(number) for number in range(3)] == [(0, "a"), (1, "a"), (2, "a")]
    assert list(names().values()) == [3]


def test_once_prepared_it_needs_no_cursor_unless_somebody_has_replaced_its_methods(monkeypatch):
    seen, real = [], CursorWrapper.execute

    def execute(self, sql, params=None):
        seen.append(sql)
        return real(self, sql, params)

    assert [ask(number) for number in range(MANY)] == [(number, "a") for number in range(MANY)]
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", execute)
        assert ask(8) == (8, "a")
        assert len(seen) == 1
    assert ask(9) == (9, "a")
    assert len(seen) == 1


def test_values_are_as_the_cursor_gives_them():
    sql = (
        "SELECT %s::bigint, NULL, true, 1.5::float, 'ü', '\\x00ff'::bytea, '{\"a\": 1}'::jsonb, "
        "'2026-01-31 12:00+00'::timestamptz, 'infinity'::text, '00000000-0000-0000-0000-000000000001'::uuid"
    )
    by_cursor, *others = (ask(5, sql) for _ in range(MANY))
    assert others[-1] == by_cursor
    assert list(map(type, others[-1])) == list(map(type, by_cursor))


def test_a_store_reads_its_sessions_by_it():
    store = DatabaseStore("default")
    keys = [insert(store) for _ in range(MANY)]
    assert [store.find(key.id).record.id for key in keys] == [key.id for key in keys]
    assert store.find(1) is None
    assert sum(names().values()) == MANY - prepared_statements.USES + 1


def test_one_that_the_server_has_forgotten_costs_no_answer():
    for _ in range(MANY):
        ask()
    run("DEALLOCATE ALL")
    assert ask(8) == (8, "a")
    for _ in range(MANY):
        assert ask(9) == (9, "a")
    assert len(names()) == 1


def test_one_that_is_there_already_costs_no_answer():
    for _ in range(MANY):
        ask()
    (name,) = names()
    connections["default"].close()
    run(f"PREPARE {name}(bigint) AS SELECT $1, 'somebody else''s'")
    assert {ask(8) for _ in range(prepared_statements.USES + 1)} == {(8, "a")}


def test_one_that_does_not_fit_its_table_any_more_costs_no_answer():
    run("CREATE TABLE changing (id bigint, said integer); INSERT INTO changing VALUES (7, 1)")
    try:
        sql = "SELECT said FROM changing WHERE id = %s"
        assert {ask(sql=sql) for _ in range(MANY)} == {(1,)}
        assert len(names()) == 1
        run("ALTER TABLE changing ALTER said TYPE text")
        assert {ask(sql=sql) for _ in range(MANY)} == {("1",)}
    finally:
        run("DROP TABLE changing")


def test_after_a_few_losses_nothing_more_is_prepared():
    for _ in range(prepared_statements.MOST_LOSSES):
        for _ in range(MANY):
            ask()
        assert names()
        run("DEALLOCATE ALL")
        ask()
    for _ in range(MANY):
        assert ask(8) == (8, "a")
    assert names() == {}


def test_any_other_error_is_raised_and_is_no_loss():
    sql = "SELECT 1 / (%s - 7)"
    assert {ask(8, sql) for _ in range(MANY)} == {(1,)}
    with pytest.raises(Exception, match="division by zero"):
        ask(7, sql)
    assert ask(8, sql) == (1,)
    assert prepared_statements._losses == {}


def test_not_in_a_transaction_which_a_loss_would_break():
    for _ in range(MANY):
        ask()
    run("DEALLOCATE ALL")
    with transaction.atomic():
        assert {ask(8) for _ in range(MANY)} == {(8, "a")}
    assert names() == {}


def test_who_reads_statements_reads_the_whole(connection, django_assert_num_queries):
    seen = []

    def note(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    for _ in range(MANY):
        ask()
    with connection.execute_wrapper(note):
        ask()
    assert seen == [SQL]
    with django_assert_num_queries(1) as log:
        ask()
    assert "EXECUTE" not in log.captured_queries[0]["sql"]


@pytest.mark.parametrize(
    "told", [{"DISABLE_SERVER_SIDE_CURSORS": True}, {"OPTIONS": {"server_side_binding": True}}]
)
def test_not_where_the_settings_speak_against_it(told):
    with database("told", **told):
        assert {ask(alias="told") for _ in range(MANY)} == {(7, "a")}
        assert names("told") == {}


def test_no_more_than_a_few_on_one_connection():
    for number in range(prepared_statements.MOST + 4):
        for _ in range(MANY):
            ask(sql=f"SELECT %s::bigint + {number}")
    assert len(names()) == prepared_statements.MOST


@pytest.mark.skipif(not has_pooler() and not os.environ.get("CI"), reason="PgBouncer is not installed here")
def test_behind_a_pooler_that_shares_connections_every_answer_is_right():
    answers, barrier = [], Barrier(CLIENTS)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="sessionkeeper-pooler-"))
        settings = stack.enter_context(pooler(Path(folder), connections["default"].settings_dict))
        for alias in POOLED:
            stack.enter_context(database(alias, **settings, CONN_MAX_AGE=None))

        def client(number):
            for turn in range(40):
                barrier.wait()
                answers.append((ask(number * 100 + turn, alias=POOLED[number]), (number * 100 + turn, "a")))
            connections[POOLED[number]].close()

        threads = [Thread(target=client, args=[number]) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == CLIENTS * 40
    assert [got for got, wanted in answers if got != wanted] == []
    assert sum(prepared_statements._losses.values()) > 0
