"""Real processes on a real server: nothing is lost, and what was revoked is never alive again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from tests import contents
from tests.stores import insert, is_postgresql, sqlite_file

ROOT = Path(__file__).parents[2]


def database_url():
    """Return the URL of the database under test."""
    if not is_postgresql():
        return "sqlite://:memory:"  # nobody looks into it
    settings = connection.settings_dict
    user = f"{settings['USER']}:{settings['PASSWORD']}"
    return f"postgres://{user}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


@contextmanager
def worker(*arguments, url=None, store="database:"):
    """Run a process of the race; ``store`` is for its near cache."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.races.worker", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url or database_url(), "WORKER_STORE": store},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(process):
    """Wait for the next thing that a process says."""
    return json.loads(process.stdout.readline())


@pytest.mark.rule("R10")
@pytest.mark.shared_store
@pytest.mark.django_db(transaction=True)
def test_eight_processes_that_write_fifty_values_each_lose_nothing():
    session = SessionStore()
    session["a"] = 1
    session.save()
    with ExitStack() as stack:
        writers = [stack.enter_context(worker("write", session.session_key, name, 50)) for name in range(8)]
        assert [heard(writer) for writer in writers] == [["ready"]] * 8
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [heard(writer) for writer in writers] == [["done"]] * 8
    wanted = {f"{name}-{number}": number for name in range(8) for number in range(50)}
    assert contents.data() == {"a": 1, **wanted}


@pytest.mark.rule("R12")
@pytest.mark.shared_store
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("use", ["load", "save", "rotate", "touch"])
@pytest.mark.rule("L10")
def test_no_use_that_began_after_a_revocation_goes_well(use):
    made = []
    for _ in range(30):
        session = SessionStore()
        session["a"] = 1
        session.save()
        made.append(session.session_key)
    with worker(use, *made) as user:
        for number, key in enumerate(made):
            assert heard(user) == ["alive", number]
            assert registry.revoke(keys.parse(key).id)
            revoked = time.monotonic()
            gone, which, last = heard(user)
            assert (gone, which) == ("gone", number)
            assert last < revoked
    assert not contents.records()


@pytest.mark.usefixtures("any_database")
def test_eight_threads_that_write_to_a_sqlite_file_lose_nothing(tmp_path, settings):
    settings.SESSIONKEEPER = {"STORE": "database:file"}
    problems = []
    with sqlite_file("file", tmp_path / "sessions.sqlite3", timeout=60):
        session = SessionStore()
        session["a"] = 1
        session.save()
        start = threading.Barrier(8, timeout=60)

        def write(name):
            try:
                start.wait()
                for number in range(25):
                    mine = SessionStore(session.session_key)
                    mine[f"{name}-{number}"] = number
                    mine.save()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must know
                problems.append(error)
            finally:
                connections["file"].close()

        threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        wanted = {f"{name}-{number}": number for name in range(8) for number in range(25)}
        assert problems == []
        assert Session.objects.using("file").get().data == {"a": 1, **wanted}


def test_eight_threads_that_write_to_memory_lose_nothing():
    from sessionkeeper.core.records import SessionPatch
    from tests.memory_store import MemoryStore

    store = MemoryStore()
    key = insert(store)

    def write(name):
        for number in range(100):
            store.merge(key.id, key.secret_hash, SessionPatch(json.dumps({f"{name}-{number}": number})), None)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(json.loads(store.find(key.id).record.data)) == 800
