"""Servers of a test's own, which it may kill, and visitors who see what happens."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connections

from tests.http import outage_site
from tests.http.outage_site import Visitor
from tests.stores import database
from tools import breakable, databases, postgres, valkey

#: Seconds within which everything has to work again once the store is back.
HEALED = 5
#: Seconds that a test waits for what is not promised in a time.
PATIENCE = 30


def until(condition, seconds=PATIENCE):
    """Wait until something holds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        pause.wait(0.02)


def heals(condition):
    """Wait until something works again, as long as is promised."""
    until(condition, HEALED)


@contextmanager
def running(kind, *options):
    """Start a server of the test's own; without a program for it, fail where it must be there, or skip."""
    try:
        with breakable.running(kind, *options) as server:
            yield server
    except (valkey.Unavailable, postgres.Unavailable) as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@contextmanager
def postgres_database(url, alias="pg", **options):
    """Make a PostgreSQL server's database known under ``alias``."""
    given = {**databases.plain(url), "CONN_MAX_AGE": 600}
    given["OPTIONS"] = {"connect_timeout": 4, **options}
    with database(alias, **given):
        yield alias


@pytest.fixture
def persisted(request):
    """A server of the kind that the test names, which keeps what it acknowledged."""
    with running(getattr(request, "param", "valkey"), *breakable.PERSISTED) as server:
        yield server


@pytest.fixture
def in_between(monkeypatch):
    """A function that says what happens in the middle of a request, until the test ends."""

    def set_to(*happen):
        monkeypatch.setattr(outage_site, "IN_BETWEEN", list(happen))

    return set_to


@pytest.fixture
def visitor(make_user):
    """A function that signs a visitor in."""

    def sign_in():
        visitor = Visitor()
        visitor.user = make_user()
        assert visitor.page("login", name=visitor.user.get_username()).text == "signed in"
        return visitor

    return sign_in


def is_in(visitor):
    """Whether the next page knows the visitor."""
    answer = visitor.page("me")
    return answer.status_code == 200 and answer.text == f"you are {visitor.user.pk}"


def close_connections():
    """Do what Django does after a request: give up connections that have failed."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
