"""Fixtures of the whole suite."""

from __future__ import annotations

from itertools import count

import pytest
from django.contrib.auth import get_user_model

from sessionkeeper import current

PASSWORD = "correct horse battery staple"


@pytest.fixture
def make_user(db):
    """A function that makes a user of whatever model is in force; all have the same password."""
    return new_user


@pytest.fixture(autouse=True)
def _outside_of_requests():
    """Forget the request that a test ran through the middleware alone, without Django's signals."""
    current.end()
    yield
    current.end()


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


def pytest_collection_modifyitems(config, items):
    """Leave out what is about PostgreSQL alone where another database is under test."""
    from django.db import connection

    if connection.vendor == "postgresql":
        return
    others = [item for item in items if item.get_closest_marker("postgres")]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if not item.get_closest_marker("postgres")]
