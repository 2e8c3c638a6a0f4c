"""What tests of stores share: new sessions, databases that come and go, clocks that are set."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.apps import apps
from django.db import connections

from sessionkeeper import keys
from sessionkeeper.record import NewSession


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def move(self, **duration):
        """Let time pass."""
        self.now += timedelta(**duration)


def insert(store, key=None, **fields):
    """Store a session under a new key and return the key."""
    key = key or keys.mint()
    fields.setdefault("lifetime", timedelta(days=1))
    fields.setdefault("idle_seconds", 3600)
    store.insert(NewSession(key.id, key.secret_hash, key.family_hash, **fields))
    return key


def is_postgresql(alias="default"):
    """Whether this database is PostgreSQL."""
    return connections[alias].vendor == "postgresql"


@contextmanager
def database(alias, **settings):
    """Make a database known under ``alias``, like the default one but for ``settings``."""
    connections.databases[alias] = {**connections.databases["default"], **settings}
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@contextmanager
def sqlite_file(alias, path, timeout=5):
    """Make a SQLite file known under ``alias``, with all tables in it."""
    with database(
        alias,
        ENGINE="django.db.backends.sqlite3",
        NAME=str(path),
        OPTIONS={"timeout": timeout, "transaction_mode": "IMMEDIATE"},
    ):
        with connections[alias].schema_editor() as editor:
            for model in apps.get_models():
                if model._meta.managed and not model._meta.proxy:
                    editor.create_model(model)
        with connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=wal")
        yield alias
