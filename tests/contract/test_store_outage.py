"""An outage is its own error in every operation, and a refusal of the database is none."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connections,
    transaction,
)

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable, StoreUnreachable
from sessionkeeper.core.records import SessionPatch
from sessionkeeper.models import Session
from sessionkeeper.stores.database.errors import Kind, kind_of
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import database, insert, is_postgresql, sqlite_file

pytestmark = [pytest.mark.any_user, pytest.mark.usefixtures("any_database")]

READS = {
    "find": lambda store, key: store.find(key.id),
    "find with principal": lambda store, key: store.find(key.id, principal=True),
    "list_for": lambda store, key: store.list_for(None),
    "count": lambda store, key: store.count(),
}
WRITES = {
    "insert": lambda store, key: insert(store),
    "merge": lambda store, key: store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None),
    "merge that replaces": lambda store, key: store.merge(
        key.id, key.secret_hash, SessionPatch(replace=True), None
    ),
    "rotate": lambda store, key: store.rotate(key.id, key.secret_hash, b"x" * 32, b"y" * 32),
    "touch": lambda store, key: store.touch(key.id, key.secret_hash),
    "revoke": lambda store, key: store.revoke(key.id),
    "revoke with secret": lambda store, key: store.revoke(key.id, key.secret_hash),
    "revoke_all": lambda store, key: store.revoke_all(None),
    "purge": lambda store, key: store.purge(10),
}
OPERATIONS = {**READS, **WRITES}


@pytest.fixture
def closed_port():
    """A loopback port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, never listening
        yield held.getsockname()[1]


@pytest.fixture
def unreachable(closed_port, tmp_path):
    """A store whose server is not there: a closed port, or a file in a folder that does not exist."""
    if is_postgresql():
        settings = {"HOST": "127.0.0.1", "PORT": closed_port}
    else:
        settings = {"NAME": str(tmp_path / "no" / "such" / "folder.sqlite3")}
    with database("unreachable", **settings) as alias:
        yield DatabaseStore(alias)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_server_that_is_not_there_is_an_outage(unreachable, name):
    with pytest.raises(StoreUnavailable) as caught:
        OPERATIONS[name](unreachable, keys.mint())
    assert caught.value.retry_after > 0
    assert isinstance(caught.value.__cause__, DatabaseError | OperationalError)


@contextmanager
def _locked(alias):
    """Keep everybody else from writing sessions."""
    with transaction.atomic(using=alias):
        if is_postgresql(alias):
            with connections[alias].cursor() as cursor:
                cursor.execute("LOCK TABLE sessionkeeper_session IN EXCLUSIVE MODE")
        yield  # a SQLite transaction begins as a writer here: see sqlite_file


@pytest.fixture
def impatient(tmp_path):
    """A store that does not wait for locks, an expired session in it, and a way to lock the table."""
    with ExitStack() as stack:
        if is_postgresql():
            options = {"OPTIONS": {"options": "-c lock_timeout=20ms"}}
            other = "default"
        else:
            options = {"NAME": str(tmp_path / "x.sqlite3"), "OPTIONS": {"timeout": 0}}
            other = stack.enter_context(sqlite_file("patient", tmp_path / "x.sqlite3"))
        alias = stack.enter_context(database("impatient", **options))
        key = insert(DatabaseStore(other), lifetime=timedelta(0))
        yield DatabaseStore(alias), key, lambda: _locked(other)


@pytest.mark.parametrize("name", WRITES)
def test_a_lock_that_does_not_come_is_an_outage_and_nothing_is_written(impatient, name):
    store, key, locked = impatient
    before = store.find(key.id).record
    with locked(), pytest.raises(StoreUnavailable):
        WRITES[name](store, key)
    assert store.find(key.id).record == before


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_store_works_again_when_the_lock_is_gone(impatient, name):
    store, key, locked = impatient
    with locked(), pytest.raises(StoreUnavailable):
        store.touch(key.id, key.secret_hash)
    OPERATIONS[name](store, key)


def terminate(alias):
    """Let the server end a connection."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def find_twice_in_a_transaction(store, key, happen):
    """Read, let something happen, and read again."""
    with transaction.atomic(using=store.alias):
        store.find(key.id)
        happen()
        store.find(key.id)


@pytest.mark.postgres
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_connection_that_the_server_closed_is_an_outage_for_all_that_is_not_tried_again(name):
    with database("cut") as alias:
        store = DatabaseStore(alias)
        key = insert(store)
        store.find(key.id)
        terminate(alias)
        if name.startswith(("find", "insert", "merge", "touch")):  # tried once more, on another connection
            OPERATIONS[name](store, key)
        else:
            with pytest.raises(StoreUnreachable):
                OPERATIONS[name](store, key)
        connections[alias].close_if_unusable_or_obsolete()
        assert store.find(key.id) is not None


@pytest.mark.postgres
@pytest.mark.rule("L03")
def test_a_read_in_a_transaction_is_not_tried_again_on_another_connection():
    with database("cut") as alias:
        store = DatabaseStore(alias)
        key = insert(store)
        with pytest.raises(StoreUnreachable):
            find_twice_in_a_transaction(store, key, lambda: terminate(alias))
        assert store.find(key.id) is not None


@pytest.mark.postgres
def test_a_statement_that_took_too_long_is_an_outage():
    with database("slow", OPTIONS={"options": "-c statement_timeout=20ms"}) as alias:
        key = insert(DatabaseStore("default"))
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=key.id)
            with pytest.raises(StoreUnavailable):
                DatabaseStore(alias).rotate(key.id, key.secret_hash, b"x" * 32, b"y" * 32)


@pytest.mark.postgres
def test_two_who_wait_for_each_other_are_an_outage_for_one_and_nothing_for_the_other():
    store = DatabaseStore()
    one, two = insert(store), insert(store)
    both_hold = threading.Barrier(2, timeout=30)
    outcomes = []

    def take(first, second):
        try:
            with transaction.atomic():
                store.touch(first.id, first.secret_hash)
                both_hold.wait()
                outcomes.append(store.touch(second.id, second.secret_hash))
        except StoreUnavailable:
            outcomes.append("outage")
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=take, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes, key=str) == [True, "outage"]


# What is no outage


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_missing_table_is_not_an_outage(tmp_path, name):
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "x.sqlite3"), "OPTIONS": {}}
    with database("bare", **settings) as alias, pytest.raises(OperationalError, match="no such table"):
        OPERATIONS[name](DatabaseStore(alias), keys.mint())


@pytest.mark.postgres
def test_a_missing_table_on_postgresql_is_not_an_outage():
    settings = {"OPTIONS": {"options": "-c search_path=nowhere"}}
    with database("bare", **settings) as alias, pytest.raises(ProgrammingError):
        DatabaseStore(alias).find(1)


def test_a_value_that_the_database_refuses_is_not_an_outage():
    with pytest.raises((DataError, OverflowError, IntegrityError)):
        insert(DatabaseStore(), idle_seconds=2**70)


def test_a_refused_value_leaves_the_store_working():
    store = DatabaseStore()
    with pytest.raises((DataError, OverflowError, IntegrityError)):
        insert(store, idle_seconds=2**70)
    assert store.find(insert(store).id) is not None


@pytest.mark.postgres
@pytest.mark.parametrize("fields", [{"label": "x" * 101}, {"data": "{"}, {"idle_seconds": 2**31}])
def test_postgresql_refuses_what_does_not_fit_and_that_is_no_outage(fields):
    with pytest.raises(DataError):
        insert(DatabaseStore(), **fields)


# By the codes of the servers


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("25006", Kind.READ_ONLY),
        ("25P02", Kind.REFUSED),
        ("25P03", Kind.UNREACHABLE),
        ("40001", Kind.BUSY),
        ("42501", Kind.REFUSED),
        ("53100", Kind.BUSY),
        ("53300", Kind.UNREACHABLE),
        ("54000", Kind.REFUSED),
        ("55P03", Kind.BUSY),
        ("57014", Kind.BUSY),
        ("57P01", Kind.UNREACHABLE),
        ("58030", Kind.BUSY),
        ("P0001", Kind.REFUSED),
        ("XX001", Kind.BUSY),
    ],
)
def test_what_an_error_means_is_said_by_its_sqlstate_whatever_its_class_is(state, kind):
    with pytest.raises(DatabaseError) as caught, connections["default"].cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{state}'; END $$")
    assert kind_of(caught.value) is kind


def test_a_file_that_may_only_be_read_is_an_outage_for_writes_and_none_for_reads(tmp_path):
    file = tmp_path / "x.sqlite3"
    with sqlite_file("whole", file) as alias:
        key = insert(DatabaseStore(alias))
    settings = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"file:{file}?mode=ro",
        "OPTIONS": {},
    }
    with database("readable", **settings) as alias:
        store = DatabaseStore(alias)
        assert store.find(key.id) is not None
        with pytest.raises(StoreUnavailable):
            store.touch(key.id, key.secret_hash)
        assert connections[alias].connection is None
        assert store.find(key.id) is not None


def test_a_file_that_is_no_database_is_an_outage(tmp_path):
    (tmp_path / "x.sqlite3").write_bytes(b"no database at all" * 100)
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "x.sqlite3"), "OPTIONS": {}}
    with database("broken", **settings) as alias, pytest.raises(StoreUnavailable):
        DatabaseStore(alias).find(1)
