"""What is particular to the Valkey/Redis store: cost, foreign bytes, indexes, outages, dumps."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
import redis

from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import SessionPatch
from tests.stores import insert, redis_store
from tests.unit.stores.hashes import hash_of, raw

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def single(clock):
    """A store at one Valkey."""
    return redis_store("valkey", clock)


# Cost


COSTS = {
    "find": (lambda store, key, user: store.find(key.id, principal=True), 2),
    "touch": (lambda store, key, user: store.touch(key.id, key.secret_hash), 1),
    "merge": (
        lambda store, key, user: store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None),
        1,
    ),
    "renew": (lambda store, key, user: store.renew(key.id, key.secret_hash, b"x" * 32, key.family_hash), 1),
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
    assert store.purge(10) == (0, 0, None)
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
