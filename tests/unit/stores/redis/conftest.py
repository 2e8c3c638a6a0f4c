"""Stores in Valkey, of each kind of server and of one."""

from __future__ import annotations

import pytest

from tests.stores import KINDS, Clock, redis_store


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


@pytest.fixture(params=KINDS)
def store(request, clock):
    """A store at each kind of server, whose time stands."""
    return redis_store(request.param, clock)


@pytest.fixture
def user(make_user):
    """The primary key of a user."""
    return make_user().pk
