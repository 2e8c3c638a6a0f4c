"""Fifty sign-ins of one user at once under a limit, on every store: exactly as many stay as may."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from sessionkeeper.core import keys
from sessionkeeper.core.errors import TooManySessions
from sessionkeeper.core.records import NewSession, SessionLimit
from sessionkeeper.stores.database.store import DatabaseStore
from tests.memory_store import MemoryStore
from tests.stores import is_postgresql, sqlite_file

SIGN_INS, MOST = 50, 3


@pytest.fixture(params=["memory", "database"])
def store(request, any_database, tmp_path):
    """A store that threads can share: PostgreSQL where that is under test, else a SQLite file."""
    if request.param == "memory":
        yield MemoryStore()
    elif is_postgresql():
        yield DatabaseStore("default")
    else:
        with sqlite_file("limited", tmp_path / "limited.sqlite3", timeout=30) as alias:
            yield DatabaseStore(alias)


@pytest.mark.rule("R19")
@pytest.mark.parametrize("end_oldest", [True, False])
def test_of_fifty_sign_ins_at_once_exactly_as_many_stay_as_may(store, end_oldest):
    barrier, refused, ended, failed = threading.Barrier(SIGN_INS), [], [], []

    def sign_in():
        key = keys.mint()
        limit = SessionLimit(MOST, end_oldest)
        new = NewSession(
            key.id,
            key.secret_hash,
            key.family_hash,
            timedelta(days=1),
            3600,
            user_id=7,
            authenticated=True,
            limit=limit,
        )
        barrier.wait()
        try:
            ended.extend(store.insert(new)[1])
        except TooManySessions:
            refused.append(key.id)
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=sign_in) for _ in range(SIGN_INS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(store.list_for(7)) == MOST
    assert len(set(ended if end_oldest else refused)) == SIGN_INS - MOST
