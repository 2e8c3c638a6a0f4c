"""Connections to Valkey that a firewall forgot, or that are all in use: nobody is refused for that."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import warnings
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
import redis

from sessionkeeper.conf import redis_url
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import StoreBusy, StoreUnreachable
from sessionkeeper.core.records import SessionLimit, SessionPatch
from sessionkeeper.stores.factory import CircuitBreaker, CircuitBreakerStore
from sessionkeeper.stores.redis import serialization, tombstones
from sessionkeeper.stores.redis.connections import Slots
from sessionkeeper.stores.redis.store import RedisStore
from tests.servers import valkey_groups
from tests.servers.proxy import proxy
from tests.servers.valkey_groups import port_of
from tests.stores import InLoop, insert, redis_store, server_url
from tools import valkey

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def program():
    """The server's program."""
    found = valkey.programs()
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(valkey.MISSING)
    return found.get("valkey", found.get("redis"))


@contextmanager
def single():
    """A server behind a firewall."""
    with proxy("127.0.0.1", port_of(server_url("valkey"))) as wall:
        yield f"redis://127.0.0.1:{wall.port}/0", [wall]


@contextmanager
def cluster():
    """Two masters of a Cluster that tell the ports of the firewalls before them."""
    with ExitStack() as stack:
        enter = stack.enter_context
        urls = [
            enter(valkey.private_server(program(), "--cluster-enabled", "yes", bus=True)) for _ in range(2)
        ]
        walls = [enter(proxy("127.0.0.1", port_of(url))) for url in urls]
        nodes = [enter(redis.Redis(port=port_of(url))) for url in urls]
        for number, (node, wall) in enumerate(zip(nodes, walls, strict=True)):
            node.config_set("cluster-announce-port", wall.port)
            node.config_set("cluster-announce-ip", "127.0.0.1")
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", number * 8192, number * 8192 + 8191)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        bus = int(nodes[0].config_get("cluster-port")["cluster-port"])
        nodes[1].execute_command("CLUSTER", "MEET", "127.0.0.1", port_of(urls[0]), bus)
        ports = {wall.port for wall in walls}

        def is_whole(node):
            slots = node.execute_command("CLUSTER", "SLOTS")
            return node.cluster("INFO")["cluster_state"] == "ok" and {slot[2][1] for slot in slots} == ports

        valkey_groups.until(lambda: all(is_whole(node) for node in nodes), "the Cluster is whole")
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{wall.port}" for wall in walls), walls


@contextmanager
def sentinel():
    """A master and a Sentinel, each behind a firewall."""
    with ExitStack() as stack:
        enter = stack.enter_context
        master = enter(proxy("127.0.0.1", port_of(enter(valkey.private_server(program())))))
        config = (
            f"sentinel monitor main 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds main 600000",
        )
        watcher = enter(
            proxy("127.0.0.1", port_of(enter(valkey.private_server(program(), *config, sentinel=True))))
        )
        yield f"redis+sentinel://127.0.0.1:{watcher.port}/main/0", [master, watcher]


@pytest.fixture(params=["server", "sentinel", "cluster"])
def walled(request):
    """A function that returns a store behind firewalls, and them; with options in its URL."""
    ways = {"server": single, "sentinel": sentinel, "cluster": cluster}
    with ways[request.param]() as (url, walls):
        stores = []

        def opened(**options):
            options = {"prefix": f"w{keys.mint().id}:", "timeout": 0.3} | options
            stores.append(RedisStore(redis_url.parse(valkey.with_options(url, **options))))
            return SimpleNamespace(store=stores[-1], forget=lambda: [wall.forget() for wall in walls])

        yield opened
        for store in stores:
            store.client.close()


OPERATIONS = {
    "find": lambda store, key: store.find(key.id) is not None,
    "insert": lambda store, key: insert(store),
    "insert with a limit": lambda store, key: insert(store, user_id="7", limit=SessionLimit(3)),
    "merge": lambda store, key: store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None)[1] == [],
    "rotate": lambda store, key: store.rotate(key.id, key.secret_hash, b"x" * 32, b"y" * 32) is None,
    "renew": lambda store, key: store.renew(key.id, key.secret_hash, b"x" * 32, key.family_hash),
    "touch": lambda store, key: store.touch(key.id, key.secret_hash),
    "revoke": lambda store, key: store.revoke(key.id),
    "revoke_many": lambda store, key: len(store.revoke_many([key.id])) == 1,
    "revoke_all": lambda store, key: len(store.revoke_all("7")) == 1,
    "list_for": lambda store, key: [record.id for record in store.list_for("7")] == [key.id],
    "scan": lambda store, key: [record.id for record in store.scan(5)] == [key.id],
    "purge": lambda store, key: store.purge(5) == (0, 0, None),
    "count": lambda store, key: store.count() == 1,
}


@pytest.fixture
def seven(monkeypatch):
    """Let '7' be the key of a user under any model."""
    monkeypatch.setattr(serialization, "user_text", lambda user_id: None if user_id is None else str(user_id))
    monkeypatch.setattr(serialization, "user_id", lambda text: None if text is None else text.decode())


@pytest.mark.rule("L16")
@pytest.mark.usefixtures("seven")
def test_an_operation_on_a_forgotten_connection_is_done_on_a_fresh_one(walled):
    made = walled()
    for name, operation in OPERATIONS.items():
        made.store.revoke_many([record.id for record in made.store.scan(50)])
        key = insert(made.store, user_id="7")
        made.store.count()
        made.forget()
        assert operation(made.store, key), name


@pytest.mark.rule("L16")
@pytest.mark.usefixtures("seven")
@pytest.mark.django_db(transaction=True)
def test_so_it_is_in_an_event_loop(walled):
    made = walled()
    store = InLoop(made.store)
    for name in ("find", "insert with a limit", "merge", "revoke_many", "list_for"):
        store.revoke_many([record.id for record in store.scan(50)])
        key = insert(store, user_id="7")
        store.count()
        made.forget()
        assert OPERATIONS[name](store, key), name
    store.close()


def together(number, function):
    """Run a function in so many threads at once; return what came of it, an error too."""
    barrier, outcomes = threading.Barrier(number), []

    def run():
        barrier.wait(30)
        try:
            outcomes.append(function())
        except Exception as error:  # noqa: BLE001 - the test must know
            outcomes.append(f"{error!r} of {error.__cause__!r}")

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


@pytest.fixture
def no_database(monkeypatch):
    """Ask no database for ends: connections of threads would wait for the test's own transaction."""
    monkeypatch.setattr(tombstones, "record", lambda ended: None)
    monkeypatch.setattr(tombstones, "among", lambda session_ids: set())


@pytest.mark.rule("L16")
@pytest.mark.usefixtures("no_database")
def test_sixteen_forgotten_connections_open_no_breaker(walled):
    made = walled(timeout=1.2)
    guard = CircuitBreakerStore(made.store)
    key = insert(guard)
    inside, real = threading.Barrier(16), made.store._read
    made.store._read = lambda ids: (inside.wait(30), real(ids))[1]
    assert together(16, lambda: len(guard.scan(1))) == [1] * 16  # so that there are sixteen connections
    made.store._read = real
    made.forget()
    guard.breaker._answered_at -= 60  # nobody has asked for long
    assert together(17, lambda: guard.find(key.id) is not None) == [True] * 17
    counters = guard.breaker.counters
    assert (counters.outages, counters.opened, counters.refused) == (0, 0, 0)


@pytest.mark.rule("L16")
def test_one_that_was_forgotten_drops_all_that_are_idle(walled):
    made = walled(timeout=0.3)
    key = insert(made.store)
    together(4, lambda: made.store.find(key.id))
    made.forget()
    tries, real = [], made.store.client._twice

    def twice(function):
        return real(lambda: (tries.append(1), function())[1])

    made.store.client._twice = twice
    assert made.store.find(key.id) is not None
    assert len(tries) == 2
    for _ in range(8):
        assert made.store.find(key.id) is not None
    assert len(tries) == 10


def test_a_server_that_stands_still_is_asked_twice_at_most():
    with single() as (url, [wall]):
        store = RedisStore(redis_url.parse(valkey.with_options(url, timeout=0.2)))
        key = insert(store)
        wall.open.clear()
        before = wall.accepted
        with pytest.raises(StoreUnreachable):
            store.find(key.id)
        assert wall.accepted - before == 1
        with pytest.raises(StoreUnreachable):
            store.find(key.id)  # on a fresh connection: once
        assert wall.accepted - before <= 2
        wall.open.set()
        store.client.close()


def test_a_session_that_was_ended_by_a_try_whose_answer_was_lost_is_recorded(make_user):
    with single() as (url, [wall]):
        store = RedisStore(redis_url.parse(valkey.with_options(url, prefix="lost:")))
        user = make_user().pk
        key = insert(store, user_id=user)
        wall.lose_next_answer()
        assert store.revoke(key.id)
        assert tombstones.among([key.id]) == {key.id}
        other = insert(store, user_id=user)
        wall.lose_next_answer()
        store.revoke_all(user)
        assert store.list_for(user) == []
        assert not store.revoke(other.id)
        store.client.close()


def test_a_look_at_health_is_had_where_it_is_asked_for(walled, monkeypatch):
    made = walled(health_check_interval=30)
    key = insert(made.store)
    sent, send = [], redis.connection.Connection.send_packed_command
    monkeypatch.setattr(
        redis.connection.Connection,
        "send_packed_command",
        lambda self, command, **options: (sent.append(b"".join(command)), send(self, command, **options))[1],
    )
    assert made.store.find(key.id) is not None
    assert not any(b"PING" in one for one in sent)
    for connection in held(made.store):
        connection.next_health_check = 0
    assert made.store.find(key.id) is not None
    assert any(b"PING" in one for one in sent)


def held(store):
    """Return the connections of a store's client for threads."""
    client = store.client.connection
    pools = (
        [client.get_redis_connection(node).connection_pool for node in client.get_nodes()]
        if store.client.is_cluster
        else [client.connection_pool]
    )
    found = []
    for pool in pools:
        for name in ("_connections", "_available_connections"):
            found += [one for one in getattr(pool, name, []) if one not in found]
    return found


def test_the_times_of_keepalive_are_set_on_sockets(walled):
    made = walled(keepalive=70, keepalive_interval=9, keepalive_count=4)
    made.store.count()
    sockets = [one._sock for one in held(made.store) if one._sock is not None]
    assert sockets
    for one in sockets:
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        told = [
            one.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert told == [70, 9, 4]


@pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
def test_closing_the_store_closes_all_of_its_connections(kind):
    store = redis_store(kind)
    insert(store)
    manager = getattr(getattr(store.client.connection, "connection_pool", None), "sentinel_manager", None)
    watchers = [watcher.connection_pool for watcher in getattr(manager, "sentinels", ())]
    connections = held(store) + [one for pool in watchers for one in pool._available_connections]
    assert any(one._sock is not None for one in connections)
    store.client.close()
    assert not any(one._sock is not None for one in connections)


# All connections in use


@pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
@pytest.mark.usefixtures("no_database")
def test_sixteen_threads_share_four_connections_and_none_is_refused(kind):
    store = redis_store(kind, connections=4)
    made = [insert(store, user_id=5).id for _ in range(4)]

    def work():
        for turn in range(25):
            key = insert(store)
            assert store.find(key.id) is not None
            assert store.touch(key.id, key.secret_hash)
            if turn % 5 == 0:
                assert [record.id for record in store.list_for(5)] == sorted(made, reverse=True)
            assert len(store.revoke_many([key.id, 1])) == 1
        return True

    assert together(16, work) == [True] * 16
    assert len(held(store)) <= (4 if kind != "cluster" else 4 * 6)
    store.client.close()


def test_a_pipeline_of_scripts_asks_no_server_of_a_cluster_where_they_go(monkeypatch):
    store = redis_store("cluster")
    made = [insert(store).id for _ in range(8)]
    sent, send = [], redis.connection.Connection.send_packed_command
    monkeypatch.setattr(
        redis.connection.Connection,
        "send_packed_command",
        lambda self, command, **options: (sent.append(b"".join(command)), send(self, command, **options))[1],
    )
    assert len(store.revoke_many(made)) == 8
    assert not any(b"GETKEYS" in one for one in sent)


def test_those_who_wait_are_let_in_in_turn():
    slots = Slots(redis_url.parse("redis+cluster://host?connections=1&queue_timeout=30"))
    order = []

    def enter(number):
        with slots.taken():
            order.append(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    with slots.taken():
        for number, thread in enumerate(threads):
            thread.start()
            valkey_groups.until(lambda number=number: len(slots._waiting) > number, "it waits")
    with slots.taken():  # who comes later waits for all of them
        order.append("late")
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, "late"]


@pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
def test_who_waits_in_vain_is_told_so_and_the_breaker_takes_it_for_nothing(kind):
    store = redis_store(kind, connections=1, queue_timeout=0.2)
    guard = CircuitBreakerStore(store, CircuitBreaker())
    key = insert(store)
    with ExitStack() as stack:
        if kind == "valkey":
            pool = store.client.connection.connection_pool
            stack.callback(pool.release, pool.get_connection())
        else:
            stack.enter_context(store.client._slots.taken())
        guard.breaker._answered_at -= 60
        answered_at = guard.breaker._answered_at
        for _ in range(8):
            with pytest.raises(StoreBusy):
                guard.find(key.id)
        with pytest.raises(StoreBusy):
            guard.scan(1)
        assert not guard.breaker.is_open
        assert guard.breaker.counters.outages == 0
        assert guard.breaker._answered_at == answered_at
    assert guard.find(key.id) is not None
    store.client.close()


def test_a_child_of_a_fork_waits_for_nobody_of_its_parent():
    store = redis_store("sentinel", connections=1, queue_timeout=0.2)
    key = insert(store)
    with store.client._slots.taken(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if store.touch(key.id, key.secret_hash) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    store.client.close()


@pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
@pytest.mark.usefixtures("no_database")
@pytest.mark.django_db(transaction=True)
def test_so_do_sixteen_tasks_of_an_event_loop(kind):
    store = redis_store(kind, connections=4)
    made = [insert(store).id for _ in range(4)]

    def work():
        for _ in range(10):
            key = insert(store)
            assert store.find(key.id) is not None
            assert len(store.revoke_many([key.id, 1])) == 1
        return len(store.scan(2)) == 2

    async def all_of_them():
        try:
            return await asyncio.gather(*(context.greenlet_spawn(work) for _ in range(16)))
        finally:
            await store.client.aclose()

    assert asyncio.run(all_of_them()) == [True] * 16
    assert store.count() == len(made)
    store.client.close()
