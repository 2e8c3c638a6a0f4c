"""The engine in async code over Valkey: it waits in the event loop, over connections of that loop alone."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest
import redis
from asgiref.sync import SyncToAsync, async_to_sync, sync_to_async
from django.contrib import auth
from django.http import HttpResponse
from django.test import RequestFactory
from redis.asyncio.connection import AbstractConnection

from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import StoreUnavailable, TooManySessions
from sessionkeeper.core.records import SessionLimit
from sessionkeeper.engine import principal
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores import factory
from tests.stores import KINDS, insert, redis_store, server_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=KINDS)
def kind(request):
    """A kind of server."""
    return request.param


@pytest.fixture
def store(monkeypatch):
    """A Valkey, used by the engine."""
    made = redis_store("valkey")
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


class Seen:
    """What happened: calls that took a thread, and what was sent by connections of event loops."""

    def __init__(self, monkeypatch):
        self.threads, self.sent, self.connections = [], 0, set()
        call, send = SyncToAsync.__call__, AbstractConnection.send_packed_command

        def calling(this, *args, **options):
            self.threads.append(this.func)
            return call(this, *args, **options)

        def sending(this, command, *args, **options):
            self.sent += b"".join(command if isinstance(command, list) else [command]).count(b"EVALSHA")
            self.connections.add(this)
            return send(this, command, *args, **options)

        monkeypatch.setattr(SyncToAsync, "__call__", calling)
        monkeypatch.setattr(AbstractConnection, "send_packed_command", sending)


@pytest.fixture
def seen(monkeypatch):
    """What happens from now on."""
    return Seen(monkeypatch)


def saved(**data):
    """Return the key of a stored session."""
    session = SessionStore()
    session.update(data)
    session.save()
    return session.session_key


def a_request(key):
    """A request that brings this key."""
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    return request


async def through_the_middleware(key, view):
    """Send a request through both middlewares."""
    return await SessionMiddleware(AuthenticationMiddleware(view))(a_request(key))


# What it costs


async def loads(key):
    assert await SessionStore(key).aget("a") == 1


async def saves(key):
    session = SessionStore(key)
    await session.aset("b", 2)
    await session.asave()


async def begins(key):
    session = SessionStore()
    await session.aset("b", 2)
    await session.asave()


async def cycles(key):
    await SessionStore(key).acycle_key()


async def flushes(key):
    await SessionStore(key).aflush()


async def deletes(key):
    await SessionStore().adelete(key)


async def exists(key):
    assert await SessionStore().aexists(key)


async def touches(key):
    async def view(request):
        await request.session.aget("a")
        return HttpResponse("ok")

    await through_the_middleware(key, view)


async def writes(key):
    async def view(request):
        await request.session.aset("b", 2)
        return HttpResponse("ok")

    await through_the_middleware(key, view)


async def asks(key):
    async def view(request):
        return HttpResponse(str(await request.auser()))

    assert (await through_the_middleware(key, view)).content == b"AnonymousUser"


COSTS = [
    (loads, 1),
    (saves, 2),
    (begins, 1),
    (cycles, 2),
    (flushes, 2),
    (deletes, 2),
    (exists, 1),
    (touches, 2),
    (writes, 2),
    (asks, 2),
]


@pytest.mark.parametrize(("use", "commands"), COSTS)
def test_it_takes_no_thread_and_sends_no_more_than_sync_code(
    store, settings, monkeypatch, seen, use, commands
):
    settings.SESSIONKEEPER = {"TOUCH_INTERVAL": 0.000001}
    key = saved(a=1)
    monkeypatch.setattr(SessionStore, "touches_on_load", False)
    asyncio.run(use(key))
    assert seen.threads == []
    assert seen.sent == commands


async def test_what_the_database_knows_takes_a_thread_and_the_rest_none(store, seen, make_user):
    user = await sync_to_async(make_user)()
    seen.threads.clear()
    session = SessionStore()
    session.update({"_auth_user_id": user._meta.pk.value_to_string(user), "a": 1})
    await session.asave()
    assert [one.__name__ for one in seen.threads] == ["_record_all"]
    assert await AuditEvent.objects.aget() is not None
    seen.threads.clear()
    assert await SessionStore(session.session_key).aget("a") == 1
    assert [one.__name__ for one in seen.threads] == ["ask"]  # whether it has ended


def two_at_most(request, user):
    """A limit that asks the database."""
    return 2 if type(user)._base_manager.filter(pk=user.pk).exists() else None


async def test_a_limit_that_a_function_of_the_project_gives_may_ask_the_database(store, settings, make_user):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": two_at_most}
    user = await sync_to_async(make_user)()
    for _ in range(3):
        session = SessionStore()
        session["_auth_user_id"] = user._meta.pk.value_to_string(user)
        await session.asave()
    assert len(await sync_to_async(store.list_for)(user.pk)) == 2


async def test_sessions_of_another_engine_are_taken_over(store, settings):
    from django.contrib.sessions.backends.db import SessionStore as OldStore

    settings.SESSIONKEEPER = {"ADOPT": "django.contrib.sessions.backends.db"}
    old = OldStore()
    await old.aset("a", 1)
    await old.asave()
    session = SessionStore(old.session_key)
    assert await session.aget("a") == 1
    assert session.session_key != old.session_key
    ended = OldStore()
    await ended.aset("a", 1)
    await ended.asave()
    await SessionStore(ended.session_key).aflush()
    assert await SessionStore(ended.session_key).aget("a") is None


def test_with_kept_columns_a_request_of_somebody_signed_in_is_one_command_and_no_thread(
    store, settings, make_user, seen
):
    settings.SESSIONKEEPER = {"PRINCIPAL_CACHE": 60}
    user = make_user()
    session = SessionStore()
    request = RequestFactory().get("/")
    request.session = session
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    session.save()

    async def view(request):
        return HttpResponse(str((await request.auser()).pk))

    async def twice():
        await through_the_middleware(session.session_key, view)
        seen.threads.clear()
        seen.sent = 0
        return await through_the_middleware(session.session_key, view)

    assert asyncio.run(twice()).content.decode() == str(user.pk)
    assert (seen.threads, seen.sent) == ([], 1)


async def test_a_user_signs_in_and_out_in_async_code(store, make_user):
    user = await sync_to_async(make_user)()
    request = RequestFactory().get("/")
    request.session = SessionStore()
    await auth.alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    await request.session.asave()
    again = SimpleNamespace(session=SessionStore(request.session.session_key))
    again.session.principal_wanted = True
    assert await principal.aget_user(again) == user
    await auth.alogout(request)
    assert await SessionStore(again.session.session_key).aget("_auth_user_id") is None


# Loops


def test_each_loop_has_connections_of_its_own_and_closes_them_when_it_ends(kind, monkeypatch, seen):
    made = redis_store(kind)
    monkeypatch.setattr(factory, "_open", lambda url: made)
    key = saved(a=1)
    used = []

    async def load():
        seen.connections.clear()
        await asyncio.gather(*(loads(key) for _ in range(5)))
        assert all(one.is_connected for one in seen.connections)
        used.append(set(seen.connections))

    for _ in range(3):
        asyncio.run(load())
    assert used[0]
    assert len(set.union(*used)) == sum(map(len, used))
    assert not any(one.is_connected for one in set.union(*used))


def test_loops_of_several_threads_run_side_by_side(store):
    key, problems = saved(a=1), []

    async def many():
        for _ in range(20):
            await asyncio.gather(*(loads(key) for _ in range(5)))

    def work():
        try:
            asyncio.run(many())
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_loop_that_sync_code_made_for_one_call_uses_the_connections_of_threads(store, seen):
    key = saved(a=1)
    async_to_sync(loads)(key)
    assert len(seen.threads) == 1
    assert seen.connections == set()


def test_without_greenlet_it_takes_a_thread(store, seen, monkeypatch):
    monkeypatch.setattr(context, "_Greenlet", None)
    asyncio.run(loads(saved(a=1)))
    assert len(seen.threads) == 1
    assert seen.connections == set()


async def test_it_runs_in_the_task_that_asks_and_sees_its_context(store):
    context.begin()
    loop_thread = threading.get_ident()

    def sync_code():
        assert context.in_greenlet()
        context.current_session().id = 7
        context.begin()
        context.sleep(0)
        context.current_session().id = 8
        return threading.get_ident()

    assert await factory.run_in_loop(sync_code) == loop_thread
    assert context.current_session().id == 8
    assert not context.in_greenlet()


async def test_tasks_that_write_side_by_side_lose_nothing(store):
    key = await sync_to_async(saved)(a=1)

    async def write(number):
        session = SessionStore(key)
        await session.aset(f"n{number}", number)
        await session.asave()

    await asyncio.gather(*(write(number) for number in range(80)))
    assert len(await SessionStore(key).akeys()) == 81


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
async def test_fifty_sign_ins_at_once_keep_to_the_limit(kind):
    store, most = redis_store(kind), 3
    refused = []

    async def sign_in():
        try:
            await context.greenlet_spawn(
                lambda: insert(store, user_id=7, authenticated=True, limit=SessionLimit(most, False))
            )
        except TooManySessions:
            refused.append(1)

    await asyncio.gather(*(sign_in() for _ in range(50)))
    assert len(await context.greenlet_spawn(lambda: store.list_for(7))) == most
    assert len(refused) == 50 - most
    await store.client.aclose()


# When things break


def closed_port():
    """A port on which nobody listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.rule("R20")
@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster", "redis+sentinel"])
def test_nobody_who_listens_is_a_503(settings, scheme):
    service = "/main/0" if scheme == "redis+sentinel" else ""
    settings.SESSIONKEEPER = {"STORE": f"{scheme}://127.0.0.1:{closed_port()}{service}"}

    async def view(request):
        return HttpResponse(str(await request.session.aget("a")))

    response = asyncio.run(through_the_middleware(keys.mint().text, view))
    assert response.status_code == 503
    assert "sessionid" not in response.cookies


async def test_a_server_that_stands_still_holds_up_nobody_else(monkeypatch):
    store = redis_store("valkey", timeout=0.3)
    key = insert(store)
    turns = 0

    async def turn():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    other = asyncio.create_task(turn())
    with redis.Redis.from_url(server_url("valkey")) as server:
        server.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        try:
            with pytest.raises(StoreUnavailable):
                await context.greenlet_spawn(lambda: store.find(key.id))
        finally:
            server.execute_command("CLIENT", "UNPAUSE")
    assert turns > 10
    other.cancel()
    assert (await context.greenlet_spawn(lambda: store.find(key.id))).record.id == key.id
    await store.client.aclose()


async def test_a_task_that_is_cancelled_leaves_no_answer_for_the_next(monkeypatch):
    store = redis_store("valkey", connections=1)
    one, two = insert(store), insert(store)
    with redis.Redis.from_url(server_url("valkey")) as server:
        assert await context.greenlet_spawn(lambda: store.find(one.id)) is not None
        server.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        try:
            task = asyncio.create_task(context.greenlet_spawn(lambda: store.find(one.id)))
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            server.execute_command("CLIENT", "UNPAUSE")
    for key in (two, one, two):
        assert (await context.greenlet_spawn(lambda key=key: store.find(key.id))).record.id == key.id
    await store.client.aclose()


async def test_connections_that_were_closed_are_opened_again(kind):
    store = redis_store(kind)
    key = insert(store)
    assert await context.greenlet_spawn(lambda: store.find(key.id)) is not None
    nodes = store.client.connection.get_nodes() if kind == "cluster" else [None]
    for node in nodes:
        target = {} if node is None else {"target_nodes": node}
        store.client.connection.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", **target)
    assert await context.greenlet_spawn(lambda: store.find(key.id)) is not None
    await store.client.aclose()
