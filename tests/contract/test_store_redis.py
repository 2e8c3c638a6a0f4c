"""What is particular to the Valkey/Redis store: cost, foreign bytes, indexes, outages, dumps."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
import redis

from sessionkeeper.conf import redis_url
from sessionkeeper.core import greenlets, keys
from sessionkeeper.core.errors import CorruptPayload, StoreUnavailable, TooManySessions
from sessionkeeper.core.records import NewSession, SessionLimit, SessionPatch
from sessionkeeper.stores.redis import serialization, tombstones
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import KINDS, Clock, insert, redis_store, server_url

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


@pytest.fixture(params=KINDS)
def store(request, clock):
    """A store at each kind of server, whose time stands."""
    return redis_store(request.param, clock)


@pytest.fixture
def single(clock):
    """A store at one Valkey."""
    return redis_store("valkey", clock)


@pytest.fixture
def user(make_user):
    """The primary key of a user."""
    return make_user().pk


def raw(store):
    """The client below a store."""
    return store.client.connection


def hash_of(store, key):
    """The key of a session's hash."""
    return store._index.session(key.id)


# Cost


COSTS = {
    "find": (lambda store, key, user: store.find(key.id, principal=True), 2),
    "touch": (lambda store, key, user: store.touch(key.id, key.secret_hash), 1),
    "merge": (
        lambda store, key, user: store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None),
        1,
    ),
    "renew": (lambda store, key, user: store.renew(key.id, key.secret_hash, b"x" * 32), 1),
    "rotate": (lambda store, key, user: store.rotate(key.id, key.secret_hash, b"x" * 32, b"y" * 32), 1),
    "insert": (lambda store, key, user: insert(store, user_id=user), 1),
    "revoke": (lambda store, key, user: store.revoke(key.id), 3),
    "revoke of an absent": (lambda store, key, user: store.revoke(1), 1),
}


@pytest.fixture
def sent(monkeypatch):
    """What is sent to servers, as it is sent: each write is one."""
    found, send = [], redis.connection.Connection.send_packed_command
    monkeypatch.setattr(
        redis.connection.Connection,
        "send_packed_command",
        lambda self, command, **options: (found.append(b"".join(command)), send(self, command, **options))[1],
    )
    return found


@pytest.mark.parametrize("name", COSTS)
def test_what_an_operation_sends_to_a_server(single, user, name, sent):
    key = insert(single, user_id=user)
    insert(single, user_id=user)
    single.revoke(insert(single).id)
    sent.clear()
    call, most = COSTS[name]
    call(single, key, user)
    assert len(re.findall(rb"\r\n(?:EVALSHA|HGETALL|TIME)\r\n", b"".join(sent))) == most


def test_a_read_is_one_round_trip(single, user, sent):
    key = insert(single, user_id=user)
    single.find(key.id)
    sent.clear()
    assert single.find(key.id, principal=True) is not None
    [both] = sent
    assert both.index(b"HGETALL") < both.index(b"TIME")  # so that the time is never before what was read


# What is in it


@pytest.mark.rule("R06")
def test_no_dump_of_it_holds_a_secret(store, user):
    key = insert(store, user_id=user, data='{"a": 1}')
    store.merge(key.id, key.secret_hash, SessionPatch('{"b": 2}'), None)
    fields = raw(store).hgetall(hash_of(store, key))
    dump = b"|".join(part for pair in fields.items() for part in pair)
    for part in (key.secret, key.secret[:22], key.secret[-7:]):
        assert part.encode() not in dump
    assert key.secret_hash in dump


def test_values_are_json_each_under_its_own_field(single):
    key = insert(single, data='{"cart": [1, "x"], "secret": {"a": null}}')
    fields = raw(single).hgetall(hash_of(single, key))
    assert (fields[b"d:cart"], fields[b"d:secret"]) == (b'[1, "x"]', b'{"a": null}')
    assert fields[b"secret"] == key.secret_hash


HOSTILE = {
    "d:a": [
        b"",
        b"\xff",
        b"{",
        b'1, "_auth_user_id": "7"',
        b"[" * 100_000,
        b"cos\nsystem\n(S'x'\ntR.",
        b"\x80\x04.",
    ],
    "expires": [b"", b"never", b"9" * 40, b"nan"],
    "seen": [b"x"],
    "version": [b"x", b""],
    "secret": [b"", b"x" * 31],
    "idle": [b"x"],
    "user": [b"\xff", b"nobody at all"],
    "format": [b"2", b""],
}


@pytest.mark.rule("R07")
@pytest.mark.parametrize(
    ("field", "value"), [(name, one) for name, values in HOSTILE.items() for one in values]
)
def test_foreign_bytes_are_refused_and_can_be_removed(single, user, field, value):
    if (field, value) == ("user", b"nobody at all") and isinstance(user, str):
        return
    key = insert(single, user_id=user)
    raw(single).hset(hash_of(single, key), field, value)
    with pytest.raises(CorruptPayload):
        single.find(key.id)
    assert single.list_for(user) == []
    assert single.revoke(key.id)
    assert single.find(key.id) is None


def test_a_key_of_another_type_is_refused_and_can_be_removed(store, user):
    key = insert(store, user_id=user)
    raw(store).set(hash_of(store, key), "x")
    with pytest.raises(CorruptPayload):
        store.find(key.id)
    with pytest.raises(CorruptPayload):
        store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None)
    assert store.list_for(user) == []
    assert store.revoke(key.id)


# How long it stays


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"lifetime": timedelta(hours=5), "idle_seconds": 3600}, 3600),
        ({"lifetime": timedelta(hours=5), "idle_seconds": None}, 5 * 3600),
        ({"lifetime": timedelta(seconds=-5), "idle_seconds": 3600}, 0),
    ],
)
def test_a_hash_goes_an_hour_after_the_earlier_limit(single, limits, seconds):
    key = insert(single, **limits)
    life = raw(single).pttl(hash_of(single, key)) / 1000
    assert seconds + 3590 < life <= seconds + 3600


def test_use_lengthens_its_life_and_a_shorter_timeout_shortens_it(single, clock):
    key = insert(single, lifetime=timedelta(hours=5), idle_seconds=3600)
    raw(single).pexpire(hash_of(single, key), 5000)
    single.touch(key.id, key.secret_hash)
    assert raw(single).pttl(hash_of(single, key)) > 7_100_000
    single.merge(key.id, key.secret_hash, SessionPatch(facts={"idle_seconds": 60}), None)
    assert raw(single).pttl(hash_of(single, key)) < 3_700_000


# Indexes


def test_an_entry_of_what_is_gone_is_cleaned_up_when_it_is_old(store, clock, user):
    key, other = insert(store, user_id=user), insert(store, user_id=user, idle_seconds=None)
    raw(store).delete(hash_of(store, key))
    index = store._index.user(str(user))
    assert [record.id for record in store.list_for(user)] == [other.id]
    assert raw(store).zcard(index) == 2  # another process may be about to store it
    clock.move(hours=2)
    assert [record.id for record in store.list_for(user)] == [other.id]
    assert raw(store).zcard(index) == 1


def test_what_the_server_let_go_is_counted_until_a_purge(store, clock):
    old = insert(store, keys.Key(5 << 22, keys.mint().secret))
    insert(store)
    raw(store).delete(hash_of(store, old))
    assert store.count() == 2
    assert store.purge(10) == ([], None)
    assert store.count() == 1
    assert len(store.scan(10)) == 1


def test_a_session_that_is_stored_long_after_its_entry_is_written_again(clock, user):
    store = redis_store("cluster", clock)
    real, late = store._index.write, [True]

    def slow(*arguments):
        written = real(*arguments)
        if late.pop():
            late.append(False)
            clock.move(minutes=10)
        else:
            late.append(False)
        return written

    store._index.write = slow
    key = insert(store, user_id=user)
    entries = store._index.of_user(str(user), store._time())
    assert entries.now - entries.written[keys.encode_id(key.id).encode()] == 0
    assert [record.id for record in store.list_for(user)] == [key.id]


def test_in_a_cluster_a_touch_brings_back_entries_that_a_failover_lost(clock, user):
    store = redis_store("cluster", clock)
    key = insert(store, user_id=user)
    raw(store).delete(store._index.user(str(user)))
    assert store.list_for(user) == []
    store.touch(key.id, key.secret_hash)
    assert [record.id for record in store.list_for(user)] == [key.id]


def new_session(user, limit):
    """A sign-in under a limit."""
    key, day = keys.mint(), timedelta(days=1)
    facts = {"user_id": user, "limit": limit, "authenticated": True}
    return NewSession(key.id, key.secret_hash, key.family_hash, day, None, **facts)


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_fifty_sign_ins_at_once_keep_to_the_limit(kind, action, user, monkeypatch):
    # Fifty connections would wait for the test's own transaction.
    monkeypatch.setattr(tombstones, "record", lambda ended: None)
    monkeypatch.setattr(tombstones, "among", lambda session_ids: set())
    store, barrier, outcomes = redis_store(kind), threading.Barrier(50), []
    limit = SessionLimit(3, end_oldest=action == "end_oldest")

    def sign_in():
        barrier.wait(30)
        try:
            store.insert(new_session(user, limit))
            outcomes.append("in")
        except TooManySessions:
            outcomes.append("refused")
        except Exception as error:  # noqa: BLE001 - the test must know
            outcomes.append(repr(error))

    threads = [threading.Thread(target=sign_in) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.list_for(user)) == 3
    expected = {"in": 50} if action == "end_oldest" else {"in": 3, "refused": 47}
    assert {name: outcomes.count(name) for name in set(outcomes)} == expected


def without_session(store, user):
    """A key whose session is gone and whose entry in the user's index is not: one that is just ending."""
    key = insert(store, user_id=user)
    raw(store).delete(hash_of(store, key))
    return key


def signed_in(store, user):
    """Sign in where three sessions are allowed; return how many of the others it ended."""
    return len(store.insert(new_session(user, SessionLimit(3, end_oldest=True)))[1])


def test_a_session_that_is_just_ending_takes_no_other_with_it(user, monkeypatch):
    store = redis_store("cluster")
    others = [insert(store, user_id=user) for _ in range(2)]
    ending = without_session(store, user)
    waits = []

    def wait(seconds):
        if len(waits) == 3:  # whoever ends it comes to the entry
            store._index.drop_ended([(ending.id, serialization.user_text(user))])
        waits.append(seconds)

    monkeypatch.setattr(greenlets, "sleep", wait)
    assert signed_in(store, user) == 0
    assert len(waits) == 4
    assert {record.id for record in store.list_for(user)} > {key.id for key in others}


def test_who_stays_on_the_way_counts_as_there(user, monkeypatch):
    store = redis_store("cluster")
    oldest, _ = (insert(store, user_id=user) for _ in range(2))
    without_session(store, user)
    monkeypatch.setattr("sessionkeeper.stores.redis.store.SETTLE_SECONDS", 0.05)
    assert signed_in(store, user) == 1
    assert oldest.id not in {record.id for record in store.list_for(user)}


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_parallel_sign_ins_lose_no_entry(kind, user):
    store = redis_store(kind)
    made, barrier = [], threading.Barrier(30)

    def sign_in():
        barrier.wait(30)
        made.append(insert(store, user_id=user).id)

    threads = [threading.Thread(target=sign_in) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(record.id for record in store.list_for(user)) == sorted(made)
    assert len(store.revoke_all(user)) == 30
    assert store.count() == 0


# Scripts and outages


def test_a_server_that_forgot_the_script_is_given_it_again(store, user):
    key = insert(store, user_id=user)
    if store.client.is_cluster:
        raw(store).execute_command("SCRIPT FLUSH", target_nodes="primaries")
    else:
        raw(store).script_flush()
    assert store.touch(key.id, key.secret_hash)
    assert len(store.revoke_many([key.id, insert(store).id])) == 2


OPERATIONS = {
    "find": lambda store, key: store.find(key.id),
    "insert": lambda store, key: insert(store),
    "merge": lambda store, key: store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None),
    "rotate": lambda store, key: store.rotate(key.id, key.secret_hash, b"x" * 32, b"y" * 32),
    "renew": lambda store, key: store.renew(key.id, key.secret_hash, b"x" * 32),
    "touch": lambda store, key: store.touch(key.id, key.secret_hash),
    "revoke": lambda store, key: store.revoke(key.id),
    "revoke_all": lambda store, key: store.revoke_all("7"),
    "list_for": lambda store, key: store.list_for("7"),
    "scan": lambda store, key: store.scan(5),
    "purge": lambda store, key: store.purge(5),
    "count": lambda store, key: store.count(),
}


@pytest.fixture
def seven(settings, db, monkeypatch):
    """Let '7' be the key of a user under any model."""
    from sessionkeeper.stores.redis import serialization

    monkeypatch.setattr(serialization, "user_text", lambda user_id: None if user_id is None else str(user_id))


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("scheme", ["redis://{}/0", "redis+cluster://{}", "redis+sentinel://{}/main"])
def test_nobody_who_listens_is_an_outage_in_every_operation(scheme, name):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = scheme.format(f"127.0.0.1:{probe.getsockname()[1]}") + "?timeout=0.2&connect_timeout=0.2"
    with pytest.raises(StoreUnavailable):
        OPERATIONS[name](RedisStore(redis_url.parse(url)), keys.mint())


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("name", ["find", "insert", "revoke", "list_for"])
def test_a_server_that_stands_still_is_an_outage(name):
    store = redis_store("redis", timeout="0.1")
    key = insert(store)
    with redis.Redis.from_url(server_url("redis").partition("?")[0]) as other:
        other.client_pause(500)
        try:
            with pytest.raises(StoreUnavailable):
                OPERATIONS[name](store, key)
        finally:
            other.client_unpause()  # waits for the end itself
    assert isinstance(store.count(), int)


def test_connections_that_were_closed_are_opened_again_and_the_operation_runs(store, user):
    key = insert(store, user_id=user)
    nodes = raw(store).get_primaries() if store.client.is_cluster else [None]
    for node in nodes:
        target = {} if node is None else {"target_nodes": node}
        raw(store).execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", **target)
    assert store.find(key.id) is not None
    assert store.touch(key.id, key.secret_hash)


def test_a_full_memory_refuses_writes_and_lets_readers_in(user):
    store = redis_store("redis")
    key = insert(store, user_id=user)
    raw(store).config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            insert(store, user_id=user)
        assert store.find(key.id) is not None
    finally:
        raw(store).config_set("maxmemory", 0)
    assert store.touch(key.id, key.secret_hash)
