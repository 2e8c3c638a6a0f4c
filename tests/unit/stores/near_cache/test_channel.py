"""A channel of the near cache is believed while it is proven alive."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from tests.near_sides import Sides, sign_in
from tests.stores import Clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


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


def cost(function, *arguments):
    """Return what a call gives and how many statements it takes."""
    with CaptureQueriesContext(connection) as captured:
        result = function(*arguments)
    return result, [query["sql"].split()[0] for query in captured if "SAVEPOINT" not in query["sql"]]


def remembered(sides, key, side=None):
    """Whether a side would answer without asking."""
    return (side or sides.here).recall(keys.parse(key).id) is not None


def test_a_message_that_nobody_understands_forgets_everything(sides, key):
    sides.there._channel.publish("x")
    assert not remembered(sides, key)


def test_a_channel_that_is_not_trusted_is_as_no_near_cache(sides, key, user):
    sides.here._channel.trusted = False
    for _ in range(2):
        assert cost(sides.ask, key)[1] == ["SELECT"]
    assert sides.here.counters.distrusted == 2
    sides.here._channel.trusted = True
    assert cost(sides.ask, key)[1] == []


def test_what_was_kept_before_the_channel_was_cut_is_not_believed(sides, key):
    sides.here._channel.epoch = 2
    assert cost(sides.ask, key)[1] == ["SELECT"]
    assert cost(sides.ask, key)[1] == []
