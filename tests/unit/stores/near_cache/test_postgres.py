"""The near cache between real processes, over PostgreSQL's LISTEN and NOTIFY, also with the channel cut."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.engine import principal, registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from sessionkeeper.stores import factory
from sessionkeeper.stores.near_cache.channel import DISTRUST
from tests.near_sides import sign_in
from tests.races.test_processes import heard, worker
from tests.servers.proxy import proxy
from tests.stores import database

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@contextmanager
def near_cache(settings, **options):
    """Turn this process's near cache on, and wait until its channel works."""
    settings.SESSIONKEEPER = {"NEAR_CACHE": options}
    factory._open_near.cache_clear()
    made = factory.get_near_cache()
    try:
        until(made.is_on)
        yield made
    finally:
        made.close()
        factory._open_near.cache_clear()


@pytest.fixture
def near(settings):
    """This process's near cache."""
    with near_cache(settings) as made:
        yield made


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


def until(condition, seconds=20):
    """Wait until something holds that another thread or process brings about."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def ask(key):
    """Return the user whom a request with ``key`` is from."""
    session = SessionStore(key)
    session.principal_wanted, session.touches_on_load = True, False
    return principal.get_user(SimpleNamespace(session=session))


def remembered(near, key):
    """Whether the near cache would answer."""
    return near.recall(keys.parse(key).id) is not None


def backend(near):
    """Return the server's process of the listening connection."""
    return near._channel._connection.info.backend_pid


def terminate(pid):
    """Cut a connection from the server's side."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_process_forgets_what_another_ended(near, user):
    made = [sign_in(user) for _ in range(20)]
    with worker("near", *made) as other:
        for number, key in enumerate(made):
            assert heard(other) == ["remembered", number]
            assert registry.revoke(keys.parse(key).id)
            assert heard(other) == ["refused", number]


def test_what_is_ended_is_told_with_the_commit_and_not_before(near, user):
    heard_of = []
    near._channel.subscribe(heard_of.append)
    key = sign_in(user)
    with transaction.atomic():
        assert near.revoke(keys.parse(key).id)
        proven_at = near._channel._proven_at
        until(lambda: near.is_on() and near._channel._proven_at > proven_at)
        assert heard_of == []
    until(lambda: near.is_on() and heard_of == [f"s:{keys.parse(key).id}"])


@pytest.mark.parametrize(
    "change",
    [
        lambda key, user: registry.revoke_all(user),
        lambda key, user: registry.revoke_many([keys.parse(key).id]),
        lambda key, user: SessionStore(key).cycle_key(),
        lambda key, user: sign_out(key),
    ],
)
def test_every_end_and_change_is_told_in_the_statement_that_makes_it(near, user, change):
    key = sign_in(user)
    SessionStore(key).get("a")
    heard_of = []
    near._channel.subscribe(heard_of.append)
    with CaptureQueriesContext(connection) as captured:
        change(key, user)
    until(lambda: near.is_on() and f"s:{keys.parse(key).id}" in heard_of)
    told = [query["sql"] for query in captured if "pg_notify" in query["sql"]]
    assert told
    assert all(sql.split()[0] in {"UPDATE", "DELETE"} for sql in told)


def sign_out(key):
    """Replace all data."""
    session = SessionStore(key)
    session.clear()
    session["a"] = 1
    session.save()


def test_a_transaction_sees_what_it_ended_itself_before_its_commit(near, user):
    key = sign_in(user)
    ask(key)
    assert remembered(near, key)
    with transaction.atomic():
        near.revoke(keys.parse(key).id)
        assert ask(key).is_anonymous


def test_a_user_who_is_saved_or_deleted_is_told(near, user):
    heard_of = []
    near._channel.subscribe(heard_of.append)
    pk = user.pk
    user.save()
    until(lambda: near.is_on() and heard_of == [f"u:{pk}"])
    user.delete()
    until(lambda: near.is_on() and heard_of == [f"u:{pk}"] * 2)


def test_other_data_is_written_without_a_word(near, user):
    key = sign_in(user)
    with CaptureQueriesContext(connection) as captured:
        session = SessionStore(key)
        session["b"] = 1
        session.save()
    assert [query["sql"].split()[0] for query in captured] == ["SELECT", "UPDATE"]
    assert not any("pg_notify" in query["sql"] for query in captured)


# The channel


def test_a_cut_channel_is_believed_no_more_said_once_and_comes_back(near, user, caplog):
    key = sign_in(user)
    ask(key)
    assert remembered(near, key)
    with caplog.at_level(logging.WARNING, "sessionkeeper.near"):
        terminate(backend(near))
        until(lambda: not near.is_on())
        Session.objects.all().delete()  # nobody tells
        assert ask(key).is_anonymous
        until(near.is_on)
        until(lambda: len(caplog.records) == 2)
    assert "its channel is cut" in caplog.messages[0]
    assert "works" in caplog.messages[1]
    assert near.counters.distrusted > 0
    assert not remembered(near, key)


def test_requests_ask_for_a_sign_of_life_where_the_thread_does_not_come(near, monkeypatch):
    """As in a process in which other threads hold the interpreter."""
    monkeypatch.setattr(type(near._channel), "beat", lambda self: None)
    proven_at = near._channel._proven_at
    until(lambda: near.is_on() and near._channel._proven_at > proven_at + 2 * DISTRUST)


def test_a_channel_that_says_nothing_is_believed_no_more(settings, user):
    server = connection.settings_dict
    with (
        proxy(server["HOST"], int(server["PORT"])) as held,
        database("direct", HOST="127.0.0.1", PORT=held.port),
        near_cache(settings, CHANNEL="direct") as near,
    ):
        key = sign_in(user)
        ask(key)
        assert remembered(near, key)
        held.open.clear()
        Session.objects.all().delete()  # as another process does it, which tells
        near._channel.publish(f"s:{keys.parse(key).id}")
        until(lambda: not near.is_on())
        assert near._channel.epoch == 1  # before the connection is given up
        assert len(near.entries) == 1
        assert ask(key).is_anonymous
        held.open.set()
        until(near.is_on)
        assert ask(key).is_anonymous


def test_a_connection_on_which_no_notices_come_through_is_never_believed(settings, user, caplog, monkeypatch):
    monkeypatch.setattr("psycopg.Connection.notifies", lambda self, **options: iter(()))
    settings.SESSIONKEEPER = {"NEAR_CACHE": True}
    factory._open_near.cache_clear()
    near = factory.get_near_cache()
    try:
        with caplog.at_level(logging.WARNING, "sessionkeeper.near"):
            key = sign_in(user)
            ask(key)
            until(lambda: caplog.records)
            assert ask(key) == user
            assert len(near.entries) == 0
        assert "SESSIONKEEPER['NEAR_CACHE']['CHANNEL']" in caplog.messages[0]
    finally:
        near.close()
        factory._open_near.cache_clear()


def test_a_transaction_that_is_rolled_back_is_never_remembered(near, user):
    key = sign_in(user)
    with transaction.atomic():
        get_user_model().objects.filter(pk=user.pk).update(email="never@example.org")
        assert ask(key).email == "never@example.org"
        transaction.set_rollback(True)
    assert not remembered(near, key)
    assert ask(key).email == user.email


def test_what_a_transaction_read_is_remembered_when_it_is_committed(near, user):
    key = sign_in(user)
    with transaction.atomic():
        ask(key)
        assert not remembered(near, key)
    assert remembered(near, key)


def test_a_transaction_that_repeats_its_reads_fills_nothing(near, user):
    key = sign_in(user)
    near._channel.repeats_reads = True
    with transaction.atomic():
        ask(key)
    assert not remembered(near, key)


def test_a_child_of_a_fork_listens_for_itself(near, user):
    key = sign_in(user)
    ask(key)
    listening = backend(near)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fresh = not remembered(near, key) and len(near.entries) == 0
                until(near.is_on)
                code = 0 if fresh and backend(near) != listening else 2
            finally:
                os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert backend(near) == listening
    assert remembered(near, key)
