"""What the client of the store makes of servers that forget, stand still or are not there."""

from __future__ import annotations

import pytest
import redis

from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import SessionPatch
from sessionkeeper.stores.redis import serialization
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import insert, redis_store, server_url
from tests.unit.stores.hashes import raw

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


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
    "renew": lambda store, key: store.renew(key.id, key.secret_hash, b"x" * 32, key.family_hash),
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
