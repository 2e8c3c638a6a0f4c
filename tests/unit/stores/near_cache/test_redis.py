"""The near cache over Valkey: what races a fill, and a channel that is cut, moved, or says nothing."""

from __future__ import annotations

import logging
import os
import signal
import warnings

import pytest
import redis
from asgiref.sync import async_to_sync
from hiredis import HiredisError, Reader

from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import factory
from sessionkeeper.stores.near_cache.channel import DISTRUST
from sessionkeeper.stores.near_cache.redis import RedisChannel, next_reply
from sessionkeeper.stores.redis import user_lookup
from sessionkeeper.stores.redis.store import RedisStore
from tests.near_sides import ValkeySides, sign_in, until
from tests.races.test_interleavings import once
from tests.races.test_near_fills import EVENTS, assert_agrees, is_old
from tests.races.test_processes import heard, worker
from tests.servers import valkey_groups
from tests.servers.proxy import proxy
from tests.stores import KINDS, near, redis_store, server_url
from tools import valkey

pytestmark = [pytest.mark.any_user, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture(params=["valkey"])
def sides(request, monkeypatch):
    """Two processes."""
    made = ValkeySides(monkeypatch, request.param)
    yield made
    made.close()


@pytest.fixture
def key(sides, user):
    """The key of a session that nobody remembers yet."""
    return sign_in(user)


def hook(monkeypatch, sides, moment, other):
    """Have something happen before, in the middle of, or after the next read of a side."""
    if moment == "between":  # the session was read, the user is not
        once(monkeypatch, user_lookup, "ask", "before", other)
    else:
        once(monkeypatch, sides.here._store, "find", moment, other)


@pytest.mark.rule("R12")
@pytest.mark.parametrize(
    ("side", "moment", "heard_when"),
    [
        *(
            ("there", moment, when)
            for moment in ("before", "between", "after")
            for when in ("during", "after")
        ),
        ("here", "between", "after"),
    ],
)
@pytest.mark.parametrize("event", EVENTS)
def test_a_fill_that_raced_a_change_is_not_believed(
    sides, key, user, monkeypatch, event, moment, side, heard_when
):
    def other():
        with sides.on(getattr(sides, side)):
            EVENTS[event](key, user)
        if heard_when == "during":  # another thread of this process looks
            sides.hear(sides.here)

    hook(monkeypatch, sides, moment, other)
    sides.ask(key)
    sides.hear(sides.here)
    assert not is_old(sides.ask(key)[0]) or event == "restrict"
    assert_agrees(sides, key)


@pytest.mark.parametrize("event", ["revoke", "rotate", "rename", "disable"])
@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_nor_is_it_where_the_user_is_kept_in_valkey_too(
    sides, key, user, monkeypatch, settings, event, moment
):
    settings.SESSIONKEEPER = {"PRINCIPAL_CACHE": 60}

    def other():
        with sides.on(sides.there):
            EVENTS[event](key, user)

    hook(monkeypatch, sides, moment, other)
    sides.ask(key)
    sides.hear(sides.here)
    assert not is_old(sides.ask(key)[0])


@pytest.mark.parametrize("sides", KINDS, indirect=True)
@pytest.mark.parametrize("event", EVENTS)
def test_what_was_ended_or_changed_on_one_side_is_heard_of_on_the_other(sides, key, user, event):
    for side in (sides.here, sides.there):
        sides.ask(key, side)
        assert side.recall(keys.parse(key).id) is not None
    with sides.on(sides.there):
        EVENTS[event](key, user)
    until(lambda: sides.here.is_on() and sides.here.recall(keys.parse(key).id) is None)
    assert not is_old(sides.ask(key)[0]) or event == "restrict"


def test_an_end_to_make_room_is_heard_of(sides, key, user, settings):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1}
    sides.ask(key)
    with sides.on(sides.there):
        sign_in(user)
    sides.hear(sides.here)
    assert sides.ask(key)[0].is_anonymous


def test_other_data_and_touches_are_written_without_a_word(sides, key):
    sides.hear(sides.here)
    before = len(sides.here._channel.heard)
    with sides.on(sides.there):
        session = SessionStore(key)
        session["basket"] = 2
        session.save()
        session._active.touch_if_due(force=True)
    sides.hear(sides.here)
    assert len(sides.here._channel.heard) == before + 1  # the mark


def test_a_hit_asks_nobody_and_takes_no_thread(sides, key, user, monkeypatch):
    sides.ask(key)

    def refuse(*args, **kwargs):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(redis.connection.Connection, "send_packed_command", refuse)
    monkeypatch.setattr(user_lookup, "ask", refuse)
    assert sides.ask(key)[0] == user
    assert sides.here.waits_in_loop


def test_async_code_fills_and_hits(sides, key, user):
    async def read():
        return await SessionStore(key).aget("basket")

    assert async_to_sync(read)() == 1


# The channel


def cut(side):
    """Have the server close the connections that listen."""
    side._store.client.connection.client_kill_filter(_type="pubsub")


def test_a_cut_channel_is_believed_no_more_said_once_and_comes_back(sides, key, user, caplog):
    sides.ask(key)
    with caplog.at_level(logging.WARNING, "sessionkeeper.near"):
        cut(sides.here)
        until(lambda: not sides.here.is_on())
        with sides.on(sides.there):
            sides.there._store.revoke(keys.parse(key).id)  # nobody tells
        assert sides.ask(key)[0].is_anonymous
        until(lambda: sides.here.is_on() and sides.there.is_on())
        until(lambda: len(caplog.records) == 4)
    assert sum("its channel is cut" in message for message in caplog.messages) == 2
    assert sum("works" in message for message in caplog.messages) == 2
    assert sides.here.recall(keys.parse(key).id) is None


def test_requests_ask_for_a_sign_of_life_where_the_thread_does_not_come(sides, monkeypatch):
    channel = sides.here._channel
    monkeypatch.setattr(type(channel), "beat", lambda self: None)
    proven_at = channel._proven_at
    until(lambda: sides.here.is_on() and channel._proven_at > proven_at + 2 * DISTRUST)


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_fill_across_a_reconnection_is_not_believed(sides, key, monkeypatch, moment):
    def reconnect():
        before = sides.here._channel.epoch
        cut(sides.here)
        until(lambda: not sides.here.is_on() or sides.here._channel.epoch > before)
        sides.there._store.revoke(keys.parse(key).id)  # which nobody is told
        until(lambda: sides.here.is_on() and sides.here._channel.epoch > before)

    hook(monkeypatch, sides, moment, reconnect)
    sides.ask(key)
    assert len(sides.here.entries) == 0
    assert sides.ask(key)[0].is_anonymous


def test_a_channel_that_says_nothing_is_believed_no_more(user, monkeypatch):
    store = redis_store()
    [(host, port)] = store.client.url.hosts
    with proxy(host, port) as held:
        url = f"redis://127.0.0.1:{held.port}/0?prefix={store.client.url.prefix}"
        channel = RedisChannel(RedisStore(redis_url.parse(url)).client)
        side = near(store, channel)
        monkeypatch.setattr(factory, "_open", lambda url: side)
        until(side.is_on)
        key = keys.parse(sign_in(user))
        side.find(key.id, principal=True)
        assert side.recall(key.id) is not None
        held.open.clear()
        other = RedisStore(store.client.url)
        with channel.announcing():
            other.revoke(key.id)
        until(lambda: not side.is_on())
        assert (channel.epoch, len(side.entries)) == (1, 1)  # before the connection is given up
        assert side.recall(key.id) is None
        held.open.set()
        until(side.is_on)
        assert side.recall(key.id) is None
        side.close()


def test_masters_that_change_are_found_though_the_old_one_answers(monkeypatch):
    program = next(iter(valkey.programs().values()))
    with valkey_groups.private_sentinel(program) as url:
        store = RedisStore(redis_url.parse(url))
        side = near(store, RedisChannel(store.client))
        until(side.is_on)
        connection = side._channel._connection
        old = connection._masters
        with redis.Redis(port=store.client.url.hosts[0][1]) as sentinel:
            until(lambda: sentinel.execute_command("SENTINEL REPLICAS", "main"))
            sentinel.execute_command("SENTINEL FAILOVER", "main")
            until(lambda: sentinel.sentinel_get_master_addr_by_name("main") not in old, 30)
        until(
            lambda: (
                side.is_on()
                and side._channel._connection is not connection
                and side._channel._connection._masters != old
            ),
            30,
        )
        side.close()


def test_a_child_of_a_fork_listens_for_itself(sides, key):
    sides.ask(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fresh = sides.here.recall(keys.parse(key).id) is None and len(sides.here.entries) == 0
                until(sides.here.is_on)
                code = 0 if fresh else 2
            finally:
                os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert sides.here.recall(keys.parse(key).id) is not None


@pytest.mark.postgres
def test_a_process_forgets_what_another_ended(user, settings):
    url = valkey.with_options(server_url("valkey"), prefix="processes:")
    settings.SESSIONKEEPER = {"STORE": url, "NEAR_CACHE": True}
    factory._open_near.cache_clear()
    made = [sign_in(user) for _ in range(20)]
    try:
        with worker("near", *made, store=url) as other:
            for number, key in enumerate(made):
                assert heard(other) == ["remembered", number]
                assert registry.revoke(keys.parse(key).id)
                assert heard(other) == ["refused", number]
    finally:
        factory.get_near_cache().close()
        factory._open_near.cache_clear()


def test_a_server_that_is_killed_is_believed_no_more(user):
    program = next(iter(valkey.programs().values()))
    with valkey.private_server(program) as url:
        store = RedisStore(redis_url.parse(url))
        side = near(store, RedisChannel(store.client))
        until(side.is_on)
        with redis.Redis.from_url(url) as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        until(lambda: not side.is_on())
        side.close()


# What the server says


def test_replies_come_together_from_pieces_of_any_size():
    told = (
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nn\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nn\r\n$4\r\n\r\nab\r\n"
        b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    )
    for size in range(1, len(told) + 1):
        reader, found = Reader(), []
        for at in range(0, len(told), size):
            reader.feed(told[at : at + size])
            while (reply := next_reply(reader)) is not None:
                found.append(reply)
        assert found == [
            [b"subscribe", b"n", 1],
            [b"message", b"n", b"\r\nab"],
            [b"pong", b""],
        ]


@pytest.mark.parametrize("told", [b"-NOPERM no\r\n", b"+OK\r\n", b":1\r\n", b"*x\r\n"])
def test_what_no_subscriber_is_sent_is_an_error(told):
    reader = Reader()
    reader.feed(told)
    with pytest.raises((ConnectionError, HiredisError)):
        next_reply(reader)
