"""The statement of a request runs with what a person writes into DATABASES, and with no key that is left out.

Django fills in most keys that are absent, by itself, and not all: code that asks for one of the others breaks
only where nobody added it.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import connections
from django.db.utils import ConnectionHandler

from sessionkeeper.stores.database import cursors, prepared_statements
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.database.transactions import reads_committed
from tests.stores import insert

pytestmark = pytest.mark.usefixtures("any_database")
WRITTEN = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
#: Enough for the statement to be prepared, where it is.
MANY = prepared_statements.USES + 3


@contextmanager
def written(*keys):
    """Know the database of the suite as ``plain``, by these keys of its entry alone."""
    given = connections["default"].settings_dict
    entry = {key: given[key] for key in keys}
    handler = ConnectionHandler({"default": {}, "plain": entry})
    connections["plain"] = handler["plain"]
    connections.databases["plain"] = handler.settings["plain"]
    try:
        yield connections["plain"]
    finally:
        connections["plain"].close()
        del connections["plain"]
        del connections.databases["plain"]


@pytest.fixture
def plain():
    """The database of the suite as Django's tutorial writes it."""
    with written(*WRITTEN) as connection:
        yield connection


def test_a_statement_runs_in_autocommit_mode_as_often_as_one_likes(plain):
    assert not plain.in_atomic_block
    rows = [tuple(cursors.fetch_all(plain, "SELECT %s + 0", [n], types=("bigint",))[0]) for n in range(MANY)]
    assert rows == [(n,) for n in range(MANY)]


@pytest.mark.shared_store
def test_a_store_finds_its_sessions_there(plain):
    store = DatabaseStore("plain")
    keys = [insert(store) for _ in range(MANY)]
    assert [store.find(key.id, principal=True).record.id for key in keys] == [key.id for key in keys]
    assert store.revoke(keys[0].id)
    assert store.find(keys[0].id) is None


def test_reads_there_see_what_was_committed(plain):
    assert reads_committed("plain")


def test_nobody_added_a_key():
    """What this file shows would be worth nothing if the entry had more than Django fills in."""
    with written(*WRITTEN) as connection:
        assert "DISABLE_SERVER_SIDE_CURSORS" not in connection.settings_dict
