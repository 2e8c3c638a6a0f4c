"""Where a backend, or a tool, has a hook of its own, the statement of a request goes through it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest
from django.db import connections
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.backends.utils import CursorWrapper

from sessionkeeper.stores.database import cursors, prepared_statements
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import database, insert, is_postgresql

pytestmark = [
    pytest.mark.usefixtures("any_database"),
    pytest.mark.database_store_only("a session in Valkey is not read through a backend of Django's"),
]


def is_kept(connection):
    """Whether a cursor is kept on a connection."""
    return cursors._KEPT in vars(connection)


def ask(connection, times=prepared_statements.USES + 2):
    """Read one row, as often as it takes for the statement to be prepared."""
    return {
        tuple(cursors.fetch_all(connection, "SELECT %s", [7], types=("bigint",))[0]) for _ in range(times)
    }


@pytest.fixture
def connection(monkeypatch):
    """A connection on which nothing is kept."""
    connection = connections["default"]
    monkeypatch.setattr(connection, "_thread_sharing_count", 0)  # as a live server leaves it
    for name in (cursors._KEPT, cursors._SEEN):  # by tests before, in this process
        monkeypatch.delitem(vars(connection), name, raising=False)
    return connection


def test_on_a_backend_of_django_a_cursor_is_kept(connection):
    assert ask(connection) == {(7,)}
    assert is_kept(connection)


@contextmanager
def subclassed(**members):
    """A database whose backend is a class of somebody's own, made of Django's."""
    kind = type(connections["default"])
    mine = type("DatabaseWrapper", (kind,), {"__module__": "their.backend", **members})
    with database("theirs") as alias:
        connections[alias] = mine(connections.databases[alias], alias)
        yield connections[alias]


def test_a_backend_that_sets_something_before_each_cursor_is_never_passed_by():
    """So django-tenants chooses whose tables are read."""
    seen = []

    def _cursor(self, name=None):
        seen.append(name)
        return super(type(self), self)._cursor(name)

    with subclassed(_cursor=_cursor) as connection:
        connection.ensure_connection()
        del seen[:]
        assert ask(connection) == {(7,)}
        assert seen == [None] * (prepared_statements.USES + 2)
        assert not is_kept(connection)


def test_a_subclass_that_changes_nothing_gets_cursors_of_its_own_too():
    with subclassed() as connection:
        assert ask(connection) == {(7,)}
        assert not is_kept(connection)
        if is_postgresql():
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_prepared_statements")
                assert cursor.fetchone() == (0,)


def test_django_prometheus_counts_our_read(tmp_path):
    from django_prometheus.db import execute_total

    settings = {"ENGINE": "django_prometheus.db.backends.sqlite3", "NAME": str(tmp_path / "x.sqlite3")}
    with database("counted", **settings, OPTIONS={}) as alias:
        with connections[alias].schema_editor() as editor:
            from sessionkeeper.models import Session

            editor.create_model(Session)
        store = DatabaseStore(alias)
        key = insert(store)
        counter = execute_total.labels(alias, "sqlite")
        before = counter._value.get()
        assert store.find(key.id).record.id == key.id
        assert counter._value.get() == before + 1


@pytest.mark.parametrize("name", sorted(cursors._BYPASSED))
def test_a_method_that_a_tool_puts_into_the_class_is_gone_through(connection, monkeypatch, name):
    ask(connection)
    seen, real = [], getattr(type(connection), name)

    def theirs(self, *args, **kwargs):
        seen.append(name)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(type(connection), name, theirs)
    assert ask(connection, 2) == {(7,)}
    assert len(seen) >= 2
    monkeypatch.undo()
    del seen[:]
    assert ask(connection, 2) == {(7,)}
    assert seen == []


@pytest.mark.parametrize("name", ["cursor", "_cursor", "create_cursor"])
def test_a_method_that_a_tool_puts_into_the_connection_is_gone_through(connection, monkeypatch, name):
    ask(connection)
    seen, real = [], getattr(connection, name)

    def theirs(*args, **kwargs):
        seen.append(name)
        return real(*args, **kwargs)

    monkeypatch.setattr(connection, name, theirs, raising=False)
    assert ask(connection, 2) == {(7,)}
    assert seen == [name] * 2
    monkeypatch.undo()
    vars(connection).pop(name, None)


@pytest.mark.skipif(is_postgresql(), reason="PostgreSQL has no such class")
def test_a_tool_in_the_cursor_of_sqlite_sees_the_statement(connection, monkeypatch):
    ask(connection)
    seen, real = [], SQLiteCursorWrapper.execute

    def execute(self, query, params=None):
        seen.append(query)
        return real(self, query, params)

    monkeypatch.setattr(SQLiteCursorWrapper, "execute", execute)
    assert ask(connection, 2) == {(7,)}
    assert seen == ["SELECT %s"] * 2


def test_a_tool_in_the_wrapper_of_all_cursors_sees_the_statement(connection, monkeypatch):
    ask(connection)
    seen, real = [], CursorWrapper.execute

    def execute(self, sql, params=None):
        seen.append(sql)
        return real(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", execute)
    assert ask(connection, 2) == {(7,)}
    assert len(seen) == 2


# Threads that share a connection


def test_nothing_is_kept_on_a_connection_that_threads_share(connection):
    connection.inc_thread_sharing()
    try:
        assert ask(connection) == {(7,)}
        assert not is_kept(connection)
    finally:
        connection.dec_thread_sharing()


#: A live server as tests have it: threads that share the connection to a database in memory.
HAMMER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.test.testcases import LiveServerThread
from django.contrib.staticfiles.handlers import StaticFilesHandler

django.setup()
call_command("migrate", verbosity=0)
from django.test import Client
from tests.conftest import new_user

settings.ALLOWED_HOSTS = ["*"]
settings.ROOT_URLCONF = "tests.http.outage_site"
user, client = new_user(), Client()
client.force_login(user)
for _ in range(3):
    client.get("/me/")  # here a cursor would be kept
shared = connections["default"]
shared.inc_thread_sharing()
server = LiveServerThread("127.0.0.1", StaticFilesHandler, connections_override={"default": shared})
server.daemon = True
server.start()
server.is_ready.wait(60)
if server.error:
    raise server.error
cookie = {"Cookie": "sessionid=" + client.cookies["sessionid"].value}

def visit(number):
    with urlopen(Request(f"http://127.0.0.1:{server.port}/me/", headers=cookie), timeout=60) as answer:
        return answer.read().decode()

with ThreadPoolExecutor(8) as pool:
    answers = [pool.submit(visit, number) for number in range(400)]
    seen = {answer.result() for answer in answers}
assert seen == {f"you are {user.pk}"}, seen
"""


@pytest.mark.rule("L15")
@pytest.mark.skipif(is_postgresql(), reason="a database in memory is SQLite's")
def test_many_threads_that_share_a_connection_do_not_end_the_interpreter():
    done = subprocess.run([sys.executable, "-c", HAMMER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
