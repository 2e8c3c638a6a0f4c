"""Thousands of sessions of one user, in whatever store is in force, and what work with them costs."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.core.records import COOKIE, NewSession
from sessionkeeper.models import Session
from sessionkeeper.stores.redis import serialization
from tests import contents

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_AT_ONCE = 1000


def make(user, number, *, transport=COOKIE, user_agent=AGENT, ends_in=timedelta(days=20), idle=None):
    """Store so many sessions in which the user has signed in, and return their ids, newest first."""
    now = datetime.now(UTC)
    data = json.dumps(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    new = {}
    while len(new) < number:  # now and then an id comes twice
        key = keys.mint()
        new[key.id] = NewSession(
            key.id,
            key.secret_hash,
            key.family_hash,
            now + ends_in,
            idle,
            data,
            user.pk,
            authenticated=True,
            transport=transport,
            user_agent=user_agent,
        )
    (_in_valkey if contents.is_in_valkey() else _in_table)([*new.values()], now)
    return sorted(new, reverse=True)


def _in_table(new, now):
    rows = [Session(**one.record_at(now)._asdict() | {"data": json.loads(one.data)}) for one in new]
    Session.objects.bulk_create(rows, batch_size=_AT_ONCE)


def _in_valkey(new, now):
    """Write what the script writes, without its checks."""
    index, written = contents.get_store().store._index, serialization.microseconds(now)
    times = dict.fromkeys(("created", "seen", "authenticated"), written)
    for start in range(0, len(new), _AT_ONCE):
        pipe = contents._valkey().pipeline(transaction=False)
        for one in new[start : start + _AT_ONCE]:
            fields = iter(serialization.new_fields(one))
            ends = serialization.microseconds(one.lifetime)
            state = {"secret": one.secret_hash, "expires": ends, "version": "0"}
            pipe.hset(
                index.session(one.id), mapping={**dict(zip(fields, fields, strict=True)), **times, **state}
            )
            name, place, number = index.entry(one.id)
            pipe.zadd(index.bucket(number), {name: place})
            pipe.zadd(index.buckets, {number: number})
            pipe.zadd(index.user(serialization.user_text(one.user_id)), {name: written})
        pipe.execute()


class Cost:
    """What a piece of work has cost.

    ``statements`` of SQL, ``rows`` that a database returned, and ``commands`` of Valkey by their name, those
    inside of scripts too.
    """

    def __init__(self):
        self.statements, self.rows, self.commands = [], 0, Counter()

    @property
    def read(self):
        """How many sessions were read at most: rows, or whole hashes."""
        return self.rows + self.commands["hgetall"]

    @property
    def trips(self):
        """Statements, and scripts."""
        return len(self.statements) + self.commands["evalsha"]


@contextmanager
def counted():
    """Count what the block costs."""
    cost, before = Cost(), _commands()
    with CaptureQueriesContext(connection) as captured, _rows_counted(cost):
        yield cost
    cost.statements = [query["sql"] for query in captured]
    cost.commands = _commands() - before


@contextmanager
def _rows_counted(cost):
    """Count the rows that new cursors of the database's driver return."""
    driver = connection.connection
    before = driver.row_factory

    def count(values):
        cost.rows += 1
        return values

    def as_psycopg_does(cursor):
        make = before(cursor)
        return lambda values: count(make(values))

    in_sqlite = connection.vendor == "sqlite"
    driver.row_factory = (lambda cursor, row: count(row)) if in_sqlite else as_psycopg_does
    try:
        yield
    finally:
        driver.row_factory = before


def _commands():
    if not contents.is_in_valkey():
        return Counter()
    told = contents._valkey().info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()})
