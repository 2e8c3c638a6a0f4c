"""A PostgreSQL that is killed, paused or has no connection left in the middle of what the site does."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager

import pytest
from django.db import connections, transaction

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_breaker
from tests.faults.conftest import close_connections, heals, is_in, postgres_database, running, until
from tests.http.outage_site import Visitor, assert_outage
from tests.stores import create_tables, database
from tools import databases

pytestmark = [
    pytest.mark.usefixtures("any_database"),
    pytest.mark.urls("tests.faults.site"),
]


@pytest.fixture(scope="module")
def shared():
    """A server for the tests of this module, each of which brings it back."""
    with running("postgres") as server:
        yield server


@pytest.fixture
def server(shared, settings):
    """A server that the sessions are in, while the users are elsewhere."""
    settings.SESSIONKEEPER = {"STORE": "database:pg"}
    with postgres_database(shared.url) as alias:
        if "sessionkeeper_session" not in connections[alias].introspection.table_names():
            create_tables(alias)
        get_breaker().reset()
        yield shared
        shared.resume()


class Surfer(Visitor):
    """Does what Django does between requests and its test client does not."""

    def page(self, *args, **kwargs):
        """Fetch a page."""
        try:
            return super().page(*args, **kwargs)
        finally:
            close_connections()


@pytest.fixture
def surfer(make_user):
    """A function that signs a visitor in."""

    def sign_in():
        visitor = Surfer()
        visitor.user = make_user()
        assert visitor.page("login", name=visitor.user.get_username()).text == "signed in"
        return visitor

    return sign_in


@pytest.mark.rule("L01")
@pytest.mark.parametrize("page", ["me", "me/async", "read", "logout"])
def test_killed_before_the_read(server, surfer, page):
    alice = surfer()
    server.kill()
    assert_outage(alice.page(page))
    assert alice.page("public").text == "hello"
    server.start()
    heals(lambda: is_in(alice))


@pytest.mark.rule("L02")
@pytest.mark.parametrize("page", ["breaks", "turns", "leaves"])
def test_killed_between_the_read_and_the_write(server, surfer, in_between, page):
    alice = surfer()
    in_between(server.kill)
    assert_outage(alice.page(page))
    in_between()
    server.start()
    heals(lambda: is_in(alice))
    assert alice.page("lazily").json() == {"a": None}
    assert alice.page(page).status_code == 200


@pytest.mark.rule("L03")
def test_restarted_between_two_requests_is_not_noticed(server, surfer):
    """The connection that was kept is lost; the read of a request is tried once more on a new one."""
    alice = surfer()
    assert is_in(alice)
    server.kill()
    server.start()
    assert is_in(alice)


@pytest.mark.rule("L03")
def test_restarted_under_load_loses_nothing_that_was_acknowledged(server):
    written, refused, wrong = [{} for _ in range(4)], [0] * 4, []
    stop, made = threading.Event(), []
    for _ in range(4):
        session = SessionStore()
        session["n"] = 0
        session.save()
        made.append(session.session_key)

    def write(number):
        counter = 0
        while not stop.is_set():
            counter += 1
            name = f"v{counter % 50}"
            try:
                session = SessionStore(made[number])
                session[name] = counter
                session.save()
                written[number][name] = counter
            except StoreUnavailable:
                written[number].pop(name, None)  # whether it was written is not known
                refused[number] += 1
                stop.wait(0.02)
            except Exception as error:  # noqa: BLE001 - the test must know
                wrong.append(repr(error))
                return
            finally:
                close_connections()
        connections["pg"].close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = [dict(values) for values in written]
        until(lambda: wrong or all(now != then for now, then in zip(written, before, strict=True)))  # noqa: B023
        missed = sum(refused)
        server.kill()
        until(lambda: wrong or sum(refused) > missed + 8)  # noqa: B023
        server.start()
        heals(lambda: not get_breaker().is_open)
    stop.set()
    for thread in threads:
        thread.join(30)
    close_connections()
    assert wrong == []
    for key, values in zip(made, written, strict=True):
        session = SessionStore(key)
        assert {name: session.get(name) for name in values} == values


@pytest.mark.rule("L04")
def test_paused_holds_few_threads_and_refuses_the_others_at_once(server):
    session = SessionStore()
    session["a"] = 1
    session.save()
    outcomes = []

    def read():
        try:
            outcomes.append(SessionStore(session.session_key).get("a"))
        except StoreUnavailable:
            outcomes.append("refused")
        finally:
            connections["pg"].close()

    ready = [threading.Thread(target=read) for _ in range(5)]
    server.pause()
    for thread in ready:
        thread.start()
    late = []

    def another_is_refused():
        late.append(threading.Thread(target=read))
        late[-1].start()
        late[-1].join(0.2)
        return "refused" in outcomes

    until(another_is_refused)
    assert get_breaker().is_open
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            SessionStore(session.session_key).get("a")
    server.resume()
    for thread in [*ready, *late]:
        thread.join(30)
    heals(lambda: SessionStore(session.session_key).get("a") == 1)
    assert set(outcomes) == {1, "refused"}


@pytest.mark.rule("L04")
def test_a_lock_that_somebody_holds_is_an_outage_of_that_session_alone(server, surfer, settings):
    alice, bob = surfer(), surfer()
    [row] = Session.objects.using("pg").filter(user_id=alice.user.pk)
    settings.SESSIONKEEPER = {"STORE": "database:impatient"}
    with (
        postgres_database(server.url, "holder") as holder,
        postgres_database(server.url, "impatient", options="-c lock_timeout=100ms"),
    ):
        with transaction.atomic(using=holder):
            Session.objects.using(holder).select_for_update().get(pk=row.pk)
            for _ in range(8):
                assert_outage(alice.page("write", name="a", value="1"))
            assert not get_breaker().is_open
            assert is_in(alice)
            assert bob.page("write", name="a", value="1").text == "written"
        assert alice.page("write", name="a", value="1").text == "written"


@pytest.mark.rule("L04")
def test_no_connection_left_is_an_outage_until_one_is_free(settings, make_user):
    settings.SESSIONKEEPER = {"STORE": "database:few"}
    with (
        running("postgres", "max_connections=4", "superuser_reserved_connections=0") as server,
        postgres_database(server.url, "few") as alias,
        ExitStack() as stack,
    ):
        create_tables(alias)
        get_breaker().reset()
        alice = Surfer()
        alice.user = make_user()
        assert alice.page("login", name=alice.user.get_username()).text == "signed in"
        connections[alias].close()
        for number in range(4):
            other = stack.enter_context(postgres_database(server.url, f"taken{number}"))
            connections[other].ensure_connection()
        assert_outage(alice.page("me"))
        connections["taken0"].close()
        heals(lambda: is_in(alice))


@pytest.mark.rule("L14")
def test_turned_into_a_standby_lets_readers_in_and_writes_again_when_it_is_promoted(settings, surfer):
    settings.SESSIONKEEPER = {"STORE": "database:pg"}
    with running("postgres") as server, postgres_database(server.url) as alias:
        create_tables(alias)
        get_breaker().reset()
        alice = surfer()
        server.kill()
        (server.folder / "data" / "standby.signal").touch()
        server.start()
        assert is_in(alice)
        for page in ("write", "logout"):
            assert_outage(alice.page(page, name="a", value="1"))
            assert connections[alias].connection is None
            assert is_in(alice)
        assert_outage(Surfer().page("login", name=alice.user.get_username()))
        assert not get_breaker().is_open
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_promote()")
        assert alice.page("write", name="a", value="1").text == "written"
        assert is_in(surfer())


@pytest.mark.rule("L04")
def test_no_connection_left_in_the_pool_is_an_outage_until_one_is_free(shared, server, settings):
    settings.SESSIONKEEPER = {"STORE": "database:pooled"}
    pool = {"min_size": 1, "max_size": 1, "timeout": 0.3}
    with pooled(shared.url, pool) as alias:
        session = SessionStore()
        session["a"] = 1
        session.save()
        connections[alias].close()
        held, go = threading.Event(), threading.Event()

        def hold():
            connections[alias].ensure_connection()
            held.set()
            go.wait(30)
            connections[alias].close()

        other = threading.Thread(target=hold)
        other.start()
        held.wait(30)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                SessionStore(session.session_key).get("a")
        go.set()
        other.join(30)
        heals(lambda: SessionStore(session.session_key).get("a") == 1)


@contextmanager
def pooled(url, pool):
    """Make a database known whose connections come from a pool."""
    given = databases.plain(url)
    with database("pooled", **{**given, "OPTIONS": {"pool": pool}}) as alias:
        try:
            yield alias
        finally:
            connections[alias].close()
            connections[alias].close_pool()


BROKEN = {
    "data that is no object": {"data": json.dumps([1])},
    "data of another kind": {"data": json.dumps("gASVAAAAAAAAAIwFcG9zaXg=")},
    "a hash that is none": {"secret_hash": b"\x80\x04."},
}


@pytest.mark.rule("L08")
@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_nobody_can_read_is_refused(server, surfer, name):
    alice = surfer()
    [(column, value)] = BROKEN[name].items()
    with connections["pg"].cursor() as cursor:
        cursor.execute(f"UPDATE sessionkeeper_session SET {column} = %s", [value])
    answer = alice.page("me")
    assert (answer.status_code, answer.text) == (200, "you are None")
    if column == "data":
        assert answer.cookies["sessionid"].value == ""
        assert registry.list_for(alice.user) == []


@pytest.mark.rule("L13")
def test_a_column_of_the_next_release_is_no_hindrance(server, surfer):
    """The next release has been migrated, and this one still runs beside it."""
    alice = surfer()
    with connections["pg"].cursor() as cursor:
        cursor.execute("ALTER TABLE sessionkeeper_session ADD COLUMN invented text NOT NULL DEFAULT 'later'")
    try:
        assert is_in(alice)
        assert alice.page("write", name="a", value="1").text == "written"
        assert is_in(surfer())
    finally:
        with connections["pg"].cursor() as cursor:
            cursor.execute("ALTER TABLE sessionkeeper_session DROP COLUMN invented")
