"""Workers of a real server that are killed while they save, and nodes whose clocks are wrong."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest

from benchmarks.soak.model import Model
from benchmarks.soak.people import PASSWORD, Person
from benchmarks.soak.report import Report
from benchmarks.soak.server import environment, prepare, serving
from sessionkeeper.conf import redis_url
from sessionkeeper.core import moments
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.redis.store import RedisStore
from tests.faults.conftest import postgres_database, running, until
from tests.stores import create_tables, of_this_site
from tools import breakable
from tools.valkey import with_options

USERS = 3
KILLS = 3


@pytest.mark.rule("L09")
@pytest.mark.usefixtures("any_database")
@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_killed_workers_leave_the_old_or_the_new_and_an_index_that_agrees(kind, tmp_path):
    report, stop = Report(), threading.Event()
    with ExitStack() as stack:
        store = stack.enter_context(running(kind, *(() if kind == "postgres" else breakable.PERSISTED)))
        urls = (store.url, "")
        if kind == "valkey":
            urls = (f"sqlite:///{tmp_path / 'db.sqlite3'}", with_options(store.url))
        env = environment(*urls)
        prepare(env, USERS, PASSWORD)
        server = stack.enter_context(serving("gunicorn", env, tmp_path / "log"))
        models = [Model(f"person{number}") for number in range(USERS)]
        people = [Person(model, one, server.port, report, stop) for model in models for one in range(2)]
        for person in people:
            person.start()
        for _ in range(KILLS):
            before = report.requests
            until(lambda: report.requests > before + 40)  # noqa: B023
            report.begin("kill -9 of a worker", 0)
            with suppress(ProcessLookupError):
                os.kill(random.choice(server.workers()), signal.SIGKILL)
        before = report.requests
        until(lambda: report.requests > before + 40)
        stop.set()
        for person in people:
            person.join(30)
        assert report.details() == []
        assert report.is_good
        if kind == "postgres":
            kept = DatabaseStore(stack.enter_context(postgres_database(store.url)))
        else:
            kept = of_this_site(RedisStore(redis_url.parse(urls[1])))
        everybody = kept.scan(10_000)
        assert everybody
        for user_id in {record.user_id for record in everybody} - {None}:
            mine = [record.id for record in everybody if record.user_id == user_id]
            assert [record.id for record in kept.list_for(user_id)] == mine
            assert len(kept.revoke_all(user_id)) == len(mine)
        assert not [record for record in kept.scan(10_000) if record.user_id is not None]


@pytest.fixture(params=["postgres", "valkey"])
def kept_elsewhere(request, settings):
    """A store that has a clock of its own."""
    with running(request.param) as server, ExitStack() as stack:
        url = "database:pg"
        if request.param == "postgres":
            create_tables(stack.enter_context(postgres_database(server.url)))
        else:
            url = with_options(server.url)
        settings.SESSIONKEEPER = {"STORE": url, "ABSOLUTE_TIMEOUT": 180, "IDLE_TIMEOUT": 120}
        yield


@pytest.fixture
def off(monkeypatch):
    """A function that sets this node's clock wrong by so many minutes."""
    real = moments.now

    def set_to(minutes):
        monkeypatch.setattr(moments, "now", lambda: real() + timedelta(minutes=minutes))

    return set_to


@pytest.mark.rule("L07")
@pytest.mark.usefixtures("any_database", "kept_elsewhere")
@pytest.mark.parametrize("minutes", [5, -5])
def test_a_node_whose_clock_is_wrong_neither_ends_nor_lengthens_a_session(off, minutes):
    session = SessionStore()
    session["a"] = 1
    session.save()
    off(minutes)
    wrong = SessionStore(session.session_key)
    assert wrong.get("a") == 1
    wrong["b"] = 2
    wrong.save()
    another = SessionStore()
    another["a"] = 1
    another.save()
    off(0)
    for key in (session.session_key, another.session_key):
        right = SessionStore(key)
        assert right.get("a") == 1
        found = right._active.found
        assert found.record.expires_at - found.now <= timedelta(seconds=180)
        assert found.record.expires_at - found.now > timedelta(seconds=120)
        assert abs(found.now - found.record.last_seen_at) < timedelta(seconds=60)
