"""Two sides of a near cache, and somebody who is signed in."""

from __future__ import annotations

import pytest

from tests.near_sides import Sides, sign_in
from tests.stores import Clock


@pytest.fixture
def clock():
    """The time as all see it."""
    return Clock()


@pytest.fixture
def sides(monkeypatch, clock):
    """Two processes."""
    return Sides(monkeypatch, clock)


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def key(sides, user):
    """The key of a session that both sides remember."""
    text = sign_in(user)
    for side in (sides.here, sides.there):
        assert sides.ask(text, side)[0] == user
    return text
