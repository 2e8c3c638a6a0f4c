"""READ_AHEAD: a read that is sent before the view asks is not older than its request, nor anybody else's."""

from __future__ import annotations

import os
from itertools import count

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from redis.connection import Connection

from sessionkeeper.conf import redis_url
from sessionkeeper.core import context, keys
from sessionkeeper.engine import registry
from sessionkeeper.stores.factory import get_store
from sessionkeeper.stores.redis import read_ahead
from sessionkeeper.stores.redis.read_ahead import Ahead
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import server_url
from tools import valkey

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]

#: What the view does before it asks who this is.
BEFORE = []
_prefixes = count(1)


def me(request):
    for do in BEFORE:
        do()
    return HttpResponse(str(request.user.pk))


def public(request):
    return HttpResponse("hello")


def broken(request):
    raise RuntimeError("before anybody asked")


def write(request):
    request.session["a"] = "1"
    return HttpResponse(request.session["a"])


urlpatterns = [
    path("me/", me), path("public/", public), path("broken/", broken), path("write/", write)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_before():
    yield
    BEFORE.clear()


@pytest.fixture
def address():
    """The URL of a store of this test's own."""
    return valkey.with_options(server_url("valkey"), prefix=f"ahead{os.getpid()}-{next(_prefixes)}:")


@pytest.fixture
def site(settings, address):
    """The site with reads ahead, and a connection at hand."""
    settings.SESSIONKEEPER = {"STORE": address, "READ_AHEAD": True}
    get_store().count()
    get_store().find(1)
    yield
    get_store().client.close()


@pytest.fixture
def visitor(site, make_user):
    """A function that signs a new user in and returns client, user, and the id of the session."""

    def sign_in():
        client, user = Client(raise_request_exception=False), make_user()
        client.force_login(user)
        assert client.get("/me/").content.decode() == str(user.pk)
        return client, user, keys.parse(client.cookies["sessionid"].value).id

    return sign_in


@pytest.fixture
def sent(monkeypatch):
    """The reads that were sent, as they were sent."""
    found, real = [], Connection.send_packed_command

    def send(self, command, *args, **options):
        if b"HGETALL" in b"".join(command):
            found.append(b"".join(command))
        return real(self, command, *args, **options)

    monkeypatch.setattr(Connection, "send_packed_command", send)
    return found


def connections():
    """How many connections the pool has made, and how many are open."""
    made = get_store().client.connection.connection_pool._connections
    return len(made), sum(one._sock is not None for one in made)


def somebody_else(address):
    """A store as another process has it."""
    return RedisStore(redis_url.parse(address))


def test_the_read_is_sent_before_the_view_asks_and_not_again(visitor, sent):
    client, user, _ = visitor()
    sent.clear()
    BEFORE.append(lambda: sent.append("the view"))
    assert client.get("/me/").content.decode() == str(user.pk)
    assert len(sent) == 2
    assert sent[1] == "the view"


def test_without_the_setting_nothing_is_read_before_the_view_asks(visitor, sent, settings):
    client, user, _ = visitor()
    settings.SESSIONKEEPER = {"STORE": settings.SESSIONKEEPER["STORE"]}
    sent.clear()
    assert client.get("/public/").content == b"hello"
    assert sent == []
    BEFORE.append(lambda: sent.append("the view"))
    assert client.get("/me/").content.decode() == str(user.pk)
    assert sent[0] == "the view"


@pytest.mark.parametrize("cookie", [None, "", "short", "x" * 40, "é" * 40])
def test_nothing_is_read_for_what_is_no_key(site, sent, cookie):
    client = Client()
    if cookie is not None:
        client.cookies["sessionid"] = cookie
    assert client.get("/public/").content == b"hello"
    assert sent == []


@pytest.mark.rule("R12")
def test_an_end_that_had_returned_before_the_request_is_seen(visitor, address):
    client, _, session_id = visitor()
    somebody_else(address).revoke(session_id)
    assert client.get("/me/").content == b"None"


@pytest.mark.rule("R12")
def test_an_end_by_the_request_itself_is_seen(visitor):
    client, _, session_id = visitor()
    BEFORE.append(lambda: registry.revoke(session_id))
    assert client.get("/me/").content == b"None"


@pytest.mark.rule("R15")
def test_a_user_who_is_disabled_by_the_request_itself_is_refused(visitor):
    client, user, _ = visitor()

    def disable():
        user.is_active = False
        user.save()

    BEFORE.append(disable)
    assert client.get("/me/").content == b"None"


@pytest.mark.rule("R12")
def test_a_request_that_asks_late_is_told_what_is_so_by_then(visitor, address, monkeypatch):
    client, _, session_id = visitor()
    BEFORE.append(lambda: somebody_else(address).revoke(session_id))
    real = Ahead.__init__
    monkeypatch.setattr(
        Ahead,
        "__init__",
        lambda self, *args: real(self, *args, clock=iter([0.0, read_ahead.FRESH + 0.001]).__next__),
    )
    assert client.get("/me/").content == b"None"


def test_what_nobody_asked_for_is_nobody_elses_answer(visitor):
    (alice, her, _), (bob, his, _) = visitor(), visitor()
    for _ in range(20):
        assert alice.get("/public/").content == b"hello"
        assert bob.get("/me/").content.decode() == str(his.pk)
        assert alice.get("/broken/").status_code == 500
        assert bob.get("/write/").content == b"1"
        assert bob.get("/public/").content == b"hello"
        assert alice.get("/me/").content.decode() == str(her.pk)
    assert connections()[0] <= 2
    assert context.get().ahead is None


def test_a_connection_that_is_lost_meanwhile_is_opened_again(visitor, address):
    client, user, _ = visitor()
    killer = somebody_else(address).client.connection
    BEFORE.append(lambda: killer.client_kill_filter(_type="normal", skipme=True))
    assert client.get("/me/").content.decode() == str(user.pk)
    BEFORE.clear()
    killer.client_kill_filter(_type="normal", skipme=True)
    assert client.get("/me/").content.decode() == str(user.pk)
    assert client.get("/public/").content == b"hello"
    killer.close()


def test_what_is_no_session_is_refused_as_without_it(visitor, address):
    client, _, session_id = visitor()
    store = get_store()
    name = store.store._index.session(session_id)
    store.client.connection.delete(name)
    store.client.connection.set(name, "a text")
    assert client.get("/me/").content == b"None"
    assert client.get("/public/").content == b"hello"


def test_in_an_outage_pages_without_a_session_answer(settings, make_user):
    program = valkey.programs().get("valkey", valkey.programs().get("redis"))
    with valkey.private_server(program) as url:
        settings.SESSIONKEEPER = {"STORE": valkey.with_options(url), "READ_AHEAD": True}
        client = Client(raise_request_exception=False)
        client.force_login(make_user())
        assert client.get("/me/").status_code == 200
        pool = get_store().client.connection.connection_pool
    assert client.get("/public/").content == b"hello"
    assert client.get("/me/").status_code == 503
    assert client.get("/public/").content == b"hello"
    pool.disconnect()


def test_it_is_taken_once(site):
    client = get_store().client
    name = get_store().store._index.session(1)
    read = client.read_ahead(name)
    assert read.take(name)[0] == []
    assert read.take(name) is None
    read.drop()
    read = client.read_ahead(name)
    read.drop()
    assert read.take(name) is None
    assert client.read_ahead(name).take(f"{name}x") is None
    assert connections()[0] <= 1


def test_nobody_waits_for_a_connection_to_read_ahead(site):
    client, pool = get_store().client, get_store().client.connection.connection_pool
    name = get_store().store._index.session(1)
    first = client.read_ahead(name)
    second = client.read_ahead(name)  # the one that was at hand is lent
    assert second.take(name) is None
    assert first.take(name) is not None
    pool.disconnect()
    assert client.read_ahead(name).take(name) is None
    assert client.read(name, "")[0] == []
