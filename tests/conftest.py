"""Fixtures of the whole suite."""

from __future__ import annotations

from itertools import count

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections

from sessionkeeper.conf import settings as conf_settings
from sessionkeeper.core import context
from sessionkeeper.engine import registry
from sessionkeeper.http.transports import Bearer
from sessionkeeper.stores.database import shortcut

#: Fixtures of requests over both transports, for all tests.
pytest_plugins = ["tests.transports"]
PASSWORD = "correct horse battery staple"


@pytest.fixture
def make_user(db):
    """A function that makes a user of whatever model is in force; all have the same password."""
    return new_user


@pytest.fixture(autouse=True)
def _outside_of_requests():
    """Forget the request that a test ran through the middleware alone, without Django's signals."""
    context.end()
    yield
    context.end()


@pytest.fixture(autouse=True)
def _no_token_met_yet():
    """Forget that an earlier test had tokens: it shows in ``Vary``."""
    Bearer.met = False


@pytest.fixture(autouse=True)
def _connections_of_event_loops():
    """Close what the thread behind event loops has opened, before the server or a later test ends it."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(autouse=True)
def _shortcut_is_never_left():
    """Fail where a fault of the path below the ORM would be hidden by the ORM, which answers in its place."""
    yield
    reasons = [*shortcut.reasons]
    shortcut.turn_on()
    if reasons:
        raise reasons[0]


@pytest.fixture(autouse=True)
def _the_transaction_of_a_test_is_none(monkeypatch):
    """Do at once what waits for a commit, where only the transaction around the test is open."""
    follows = registry.follows
    monkeypatch.setattr(registry, "follows", lambda alias: follows(alias) or not _begun_in_a_test(alias))


def _begun_in_a_test(alias):
    return [block for block in connections[alias].atomic_blocks if not block._from_testcase]


@pytest.fixture(autouse=True)
def _empty_store():
    """What is in Valkey is not undone with a test's transaction."""
    yield
    if store_of_the_suite() is not None:
        from tests import contents  # which needs the applications

        contents.forget_everything()


@pytest.fixture
def any_database(transactional_db, django_db_blocker):
    """Lets a test reach databases that it makes itself, which Django's TestCase refuses."""
    with django_db_blocker.unblock():
        yield


_numbers = count(1)


def new_user(**fields):
    """Make a user with a name of its own."""
    model = get_user_model()
    name = f"person{next(_numbers)}"
    email = f"{name}@example.org"
    fields.setdefault("password", PASSWORD)
    fields.setdefault("email", email)
    if model.USERNAME_FIELD != "email":
        fields.setdefault(model.USERNAME_FIELD, name)
    return model.objects.create_user(**fields)


def store_of_the_suite():
    """Return the URL of the Valkey that the suite runs on; None: its sessions are in the database."""
    return getattr(settings, "STORE_OF_THE_SUITE", None)


def pytest_configure():
    """Keep the store where a test sets SESSIONKEEPER and names none, and wait for it in event loops."""
    url, given = store_of_the_suite(), conf_settings._raw
    if url is not None:
        # Django's client for async views makes a loop for each request, which would take a thread.
        context._is_of_one_call = lambda loop: False
        conf_settings._raw = lambda: {"STORE": url, **given()} if isinstance(given(), dict) else given()


def pytest_collection_modifyitems(config, items):
    """Leave out what is about another database, or another kind of store, than is under test."""
    from django.db import connection

    in_valkey, on_postgres = store_of_the_suite() is not None, connection.vendor == "postgresql"
    others = {"database_store_only"} if in_valkey else set()
    if not on_postgres:
        others |= {"postgres"} if in_valkey else {"postgres", "shared_store"}
    left_out = [item for item in items if any(map(item.get_closest_marker, others))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
