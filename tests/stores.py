"""What tests of stores share: new sessions, databases that come and go, clocks that are set."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import pytest
from django.apps import apps
from django.db import connections

from sessionkeeper.conf import redis_url
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core import context, keys
from sessionkeeper.core.records import NewSession
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.near_cache.store import NearCacheStore
from sessionkeeper.stores.redis.store import RedisStore
from tests.memory_store import MemoryStore
from tests.servers import valkey_groups
from tools import valkey


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


def create_tables(alias):
    """Make all tables in an empty database."""
    with connections[alias].schema_editor() as editor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)


@contextmanager
def sqlite_file(alias, path, timeout=5):
    """Make a SQLite file known under ``alias``, with all tables in it."""
    with database(
        alias,
        ENGINE="django.db.backends.sqlite3",
        NAME=str(path),
        OPTIONS={"timeout": timeout, "transaction_mode": "IMMEDIATE"},
    ):
        create_tables(alias)
        with connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=wal")
        yield alias


class Channel:
    """A channel of the near cache within one process: what one says waits until another looks.

    ``members`` are the channels that hear each other. ``trusted`` and ``epoch`` are set by tests.
    """

    alias = "default"

    def __init__(self, members, alias="default"):
        self.alias, self.members, self.inbox = alias, members, []
        self.trusted, self.epoch, self.said = True, 1, []
        members.append(self)

    def subscribe(self, receive):
        """Remember who listens."""
        self.receive = receive

    def is_trusted(self):
        """Take in what waits."""
        while self.trusted and self.inbox:
            self.receive(self.inbox.pop(0))
        return self.trusted

    def reads_committed(self):
        """Tests run in a transaction of their own."""
        return True

    @contextmanager
    def announcing(self):
        """Tell of the rows that are others afterwards."""
        before = self._rows()
        try:
            yield
        finally:
            after = self._rows()
            for row in before - after:
                self.publish(f"s:{row[0]}")

    def _rows(self):
        from sessionkeeper.models import Session

        return set(Session.objects.values_list("id", "version"))

    def publish(self, message):
        """Tell everybody."""
        self.said.append(message)
        for member in self.members:
            member.inbox.append(message)

    def after_commit(self, function):
        """Call it now."""
        function()

    def close(self):
        """Hear nothing more."""
        self.trusted = False


def near(store, channel=None, clock=None, **options):
    """Put a near cache in front of a store."""
    channel = channel or Channel([], store.alias)
    seconds = {} if clock is None else {"clock": lambda: clock().timestamp()}
    return NearCacheStore(store, channel, NearCache(**options), **seconds)


_servers = ExitStack()
_prefixes = itertools.count(1)
atexit.register(_servers.close)


@cache
def server_url(kind):
    """Return the URL of a ``valkey``, ``redis``, ``cluster`` or ``sentinel`` of this run, started once."""
    # No failover only because this machine is busy.
    patient = partial(valkey_groups.private_sentinel, down_after=10_000)
    starts = {"cluster": valkey_groups.private_cluster, "sentinel": patient}
    found = valkey.programs()
    program = found.get("valkey", found.get("redis")) if kind in starts else found.get(kind)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"No {kind} server. {valkey.MISSING}")
        pytest.skip(f"No {kind} server. {valkey.MISSING}")
    return _servers.enter_context(starts.get(kind, valkey.private_server)(program))


#: Kinds of servers that the Valkey/Redis store is held to.
KINDS = ("valkey", "redis", "cluster", "sentinel")


def redis_store(kind="valkey", clock=None, **options):
    """Return an empty store at such a server: its keys have a prefix of their own."""
    url = valkey.with_options(server_url(kind), prefix=f"t{os.getpid()}-{next(_prefixes)}:", **options)
    return of_this_site(RedisStore(redis_url.parse(url), clock=clock))


def of_this_site(store):
    """Return a store that has asked whose its keys are: the first use of each would need the database."""
    prefix = store._index.key_prefix
    prefix._ours[""] = store.client.url.prefix
    return store


class InLoop:
    """A store whose operations run in an event loop, as async code runs them."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        value = getattr(self._store, name)
        if not callable(value):
            return value
        return lambda *args, **options: _loop().run(context.greenlet_spawn(partial(value, *args, **options)))

    def close(self):
        """Close its connections."""
        _loop().run(self._store.client.aclose())


@cache
def _loop():
    return _servers.enter_context(asyncio.Runner())


#: Every store there is, by name, for tests that open one with ``clock`` or nothing.
STORES = {"memory": MemoryStore, "database": DatabaseStore} | {
    kind: partial(redis_store, kind) for kind in KINDS
}
