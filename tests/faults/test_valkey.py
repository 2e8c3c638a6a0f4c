"""A Valkey or Redis that is killed, paused, emptied or full in the middle of what the site does."""

from __future__ import annotations

import threading

import pytest
import redis

from sessionkeeper.core.errors import SessionGone, StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.factory import get_breaker, get_store
from tests.faults.conftest import heals, is_in, until
from tests.http.outage_site import Visitor, assert_outage
from tests.servers.proxy import proxy
from tools.valkey import with_options

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.faults.site")]
both = pytest.mark.parametrize("persisted", ["valkey", "redis"], indirect=True)


@pytest.fixture
def server(persisted, settings):
    """A server that the sessions are in."""
    settings.SESSIONKEEPER = {"STORE": with_options(persisted.url)}
    yield persisted
    get_store().store.client.close()


def raw(server):
    """A client of the server."""
    return redis.Redis.from_url(server.url)


@both
@pytest.mark.rule("L01")
@pytest.mark.parametrize("page", ["me", "me/async", "members", "lazily", "drf", "read", "logout"])
def test_killed_before_the_read(server, visitor, page):
    alice = visitor()
    server.kill()
    assert_outage(alice.page(page))
    assert alice.page("public").text == "hello"
    server.start()
    heals(lambda: is_in(alice))


@both
@pytest.mark.rule("L02")
@pytest.mark.parametrize("page", ["breaks", "breaks/async", "turns", "leaves"])
def test_killed_between_the_read_and_the_write(server, visitor, in_between, page):
    alice = visitor()
    in_between(server.kill)
    assert_outage(alice.page(page))
    in_between()
    server.start()
    heals(lambda: is_in(alice))
    assert alice.page("lazily").json() == {"a": None}
    assert alice.page(page).status_code == 200


@pytest.mark.rule("L02")
def test_killed_at_the_sign_in(server, make_user):
    user, visitor = make_user(), Visitor()
    server.kill()
    assert_outage(visitor.page("login", name=user.get_username()))
    server.start()
    heals(lambda: visitor.page("me").text == "you are None")
    assert registry.list_for(user) == []


@pytest.mark.rule("L03")
@pytest.mark.parametrize("page", ["turns", "breaks", "leaves"])
def test_an_answer_that_is_lost_is_asked_for_once_more(server, visitor, settings, in_between, page):
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with proxy("127.0.0.1", port) as held:
        settings.SESSIONKEEPER = {"STORE": with_options(f"redis://127.0.0.1:{held.port}/0")}
        alice = visitor()
        in_between(held.lose_next_answer)
        assert alice.page(page).status_code == 200
        in_between()
        assert is_in(alice) is (page != "leaves")
        get_store().store.client.close()


@both
@pytest.mark.rule("L04")
def test_paused_is_an_outage_in_time_and_then_at_once(server, visitor, settings):
    alice = visitor()
    settings.SESSIONKEEPER = {"STORE": with_options(server.url, timeout=0.3, connect_timeout=0.3)}
    server.pause()
    counters = get_breaker().counters
    until(lambda: assert_outage(alice.page("me")) or get_breaker().is_open)
    outages = counters.outages
    for _ in range(20):
        assert_outage(alice.page("me"))
        assert alice.page("public").text == "hello"
    assert counters.outages <= outages + 1  # one may have been let through to see
    assert counters.refused >= 19
    server.resume()
    heals(lambda: is_in(alice))
    assert not get_breaker().is_open


@pytest.mark.rule("L04")
def test_a_slow_server_is_an_outage_and_no_answer_is_taken_for_another(server, visitor, settings):
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with proxy("127.0.0.1", port) as held:
        alice, bob = visitor(), visitor()
        url = with_options(f"redis://127.0.0.1:{held.port}/0", timeout=0.3, connections=1)
        settings.SESSIONKEEPER = {"STORE": url}
        held.open.clear()  # what is sent now arrives later
        assert_outage(alice.page("me"))
        assert_outage(bob.page("write", name="b", value="2"))
        held.open.set()
        heals(lambda: is_in(alice))
        for _ in range(10):
            assert is_in(alice)
            assert is_in(bob)
        get_store().store.client.close()


@pytest.mark.rule("L16")
@pytest.mark.parametrize("page", ["me", "me/async", "turns", "breaks"])
def test_a_connection_that_a_firewall_forgot_is_opened_anew(server, visitor, settings, page):
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with proxy("127.0.0.1", port) as wall:
        url = with_options(f"redis://127.0.0.1:{wall.port}/0", timeout=0.5)
        settings.SESSIONKEEPER = {"STORE": url}
        alice = visitor()
        wall.forget()
        assert alice.page(page).status_code == 200
        assert is_in(alice)
        assert get_breaker().counters.outages == 0
        get_store().store.client.close()


@both
@pytest.mark.rule("L03")
def test_restarted_under_load_loses_nothing_that_was_acknowledged(server):
    written, refused, wrong = [{} for _ in range(4)], [0] * 4, []
    stop, keys = threading.Event(), []
    for _ in range(4):
        session = SessionStore()
        session["n"] = 0
        session.save()
        keys.append(session.session_key)

    def write(number):
        counter = 0
        while not stop.is_set():
            counter += 1
            try:
                session = SessionStore(keys[number])
                session[f"v{counter % 50}"] = counter
                session.save()
                written[number][f"v{counter % 50}"] = counter
            except StoreUnavailable:
                # Whether it was written is not known, so the next value takes its place.
                written[number].pop(f"v{counter % 50}", None)
                refused[number] += 1
                stop.wait(0.02)
            except Exception as error:  # noqa: BLE001 - the test must know
                wrong.append(repr(error))
                return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = [dict(values) for values in written]
        until(lambda: all(now != then for now, then in zip(written, before, strict=True)))  # noqa: B023
        server.kill()
        missed = sum(refused)
        until(lambda: sum(refused) > missed + 8)  # noqa: B023
        server.start()
        heals(lambda: not get_breaker().is_open)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    for key, values in zip(keys, written, strict=True):
        session = SessionStore(key)
        assert {name: session.get(name) for name in values} == values


@both
@pytest.mark.rule("L05")
def test_flushed_signs_everybody_out_and_revives_nobody(server, visitor):
    alice, bob = visitor(), visitor()
    stolen = bob.cookies["sessionid"].value
    assert bob.page("logout").text == "signed out"
    raw(server).flushall()
    answer = alice.page("me")
    assert answer.text == "you are None"
    assert answer.cookies["sessionid"].value == ""
    bob.cookies["sessionid"] = stolen
    assert bob.page("me").text == "you are None"
    assert registry.list_for(alice.user) == []
    assert alice.page("login", name=alice.user.get_username()).text == "signed in"
    assert is_in(alice)
    assert len(registry.list_for(alice.user)) == 1


@pytest.mark.rule("L05")
def test_flushed_while_a_request_runs_brings_nothing_back(server, visitor, in_between):
    alice = visitor()
    in_between(lambda: raw(server).flushall())
    assert alice.page("breaks").status_code == 400  # Django's answer for a session that ended meanwhile
    assert raw(server).dbsize() == 0


@both
@pytest.mark.rule("L05")
def test_full_refuses_sign_ins_and_lets_the_others_go_on(server, visitor, make_user):
    alice, bob = visitor(), visitor()
    raw(server).config_set("maxmemory-policy", "noeviction")
    raw(server).config_set("maxmemory", 1)
    user = make_user()
    for _ in range(10):
        assert_outage(Visitor().page("login", name=user.get_username()))
        assert is_in(alice)
    assert not get_breaker().is_open
    assert_outage(alice.page("write", name="a", value="1"))
    assert bob.page("logout").text == "signed out"  # what makes room is taken
    raw(server).config_set("maxmemory", 0)
    assert alice.page("write", name="a", value="1").text == "written"
    assert registry.list_for(user) == []
    assert registry.list_for(bob.user) == []


@pytest.mark.rule("L04")
def test_all_connections_taken_is_an_outage_until_one_is_free(server, settings):
    settings.SESSIONKEEPER = {"STORE": with_options(server.url, queue_timeout=0.3, connections=1)}
    session = SessionStore()
    session["a"] = 1
    session.save()
    pool = get_store().store.client.connection.connection_pool
    taken = pool.get_connection()
    with pytest.raises(StoreUnavailable):
        SessionStore(session.session_key).get("a")
    pool.release(taken)
    assert SessionStore(session.session_key).get("a") == 1
    get_store().store.client.close()


@both
@pytest.mark.rule("L13")
def test_fields_of_the_next_release_are_read_over_and_kept(server, visitor):
    alice = visitor()
    client = raw(server)
    [name] = client.keys("sk:s:*")
    client.hset(name, "invented", "later")
    assert is_in(alice)
    assert alice.page("write", name="a", value="1").text == "written"
    assert alice.page("turns").status_code == 200
    assert client.hget(name, "invented") == b"later"


@both
@pytest.mark.rule("L08")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "2"),
        ("d:a", "\x80\x04."),
        ("secret", "short"),
        ("expires", "never"),
        ("user", "\xff"),
        (None, b"another type"),
    ],
)
def test_a_payload_that_nobody_can_read_is_refused_and_removed(server, visitor, field, value, caplog):
    alice = visitor()
    client = raw(server)
    [name] = client.keys("sk:s:*")
    if field is None:
        client.set(name, value)
    else:
        client.hset(name, field, value)
    answer = alice.page("me")
    assert (answer.status_code, answer.text) == (200, "you are None")
    assert answer.cookies["sessionid"].value == ""
    assert client.keys("sk:s:*") == []
    assert "cannot be read" in caplog.text


def test_a_save_after_the_end_of_a_killed_session_is_no_success(server, visitor):
    """What was revoked before the crash is gone after it."""
    alice = visitor()
    stale = SessionStore(alice.cookies["sessionid"].value)
    stale["late"] = 1
    assert registry.revoke_all(alice.user) == 1
    server.kill()
    server.start()
    with pytest.raises(SessionGone):
        stale.save()
    assert alice.page("me").text == "you are None"
