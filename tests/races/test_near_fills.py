"""A near cache fills itself while something else happens: in every order, the old never stays."""

from __future__ import annotations

import pytest

from sessionkeeper.core import keys
from sessionkeeper.core.errors import SessionGone, StaleSession
from sessionkeeper.engine import registry, session_data
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from sessionkeeper.stores import codec
from sessionkeeper.stores.near_cache.store import IDENTITY
from tests.near_sides import Sides, sign_in
from tests.races.test_interleavings import once

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def sides(monkeypatch):
    """Two processes."""
    return Sides(monkeypatch)


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def key(sides, user):
    """The key of a session that nobody remembers yet."""
    return sign_in(user)


def rotate(key, user):
    """Change the key."""
    SessionStore(key).cycle_key()


def sign_out(key, user):
    """Write other data in place of all."""
    session = SessionStore(key)
    session.clear()
    session["a"] = 1
    session.save()


def restrict(key, user):
    """Merge what says what the session may do."""
    session = SessionStore(key)
    session[session_data.SCOPES_KEY] = ["read"]
    session.save()


def disable(key, user):
    """Disable the user."""
    user.is_active = False
    user.save()


def rename(key, user):
    """Change a field of the user."""
    user.email = "new@example.org"
    user.save()


EVENTS = {
    "revoke": lambda key, user: registry.revoke(keys.parse(key).id),
    "revoke_all": lambda key, user: registry.revoke_all(user),
    "revoke_many": lambda key, user: registry.revoke_many([keys.parse(key).id]),
    "rotate": rotate,
    "sign_out": sign_out,
    "restrict": restrict,
    "disable": disable,
    "delete": lambda key, user: user.delete(),
    "rename": rename,
}


def is_old(user):
    """Whether somebody got in as if nothing had happened."""
    return user.is_authenticated and user.email != "new@example.org"


@pytest.mark.parametrize("heard", ["during the fill", "after the fill"])
@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("event", EVENTS)
def test_a_fill_that_raced_a_change_is_not_believed(
    sides, key, user, monkeypatch, event, moment, side, heard
):
    def other():
        with sides.on(getattr(sides, side)):
            EVENTS[event](key, user)
        if heard == "during the fill":  # another thread of this process looks
            sides.hear(sides.here)

    once(monkeypatch, sides.here._store, "find", moment, other)
    sides.ask(key)
    sides.hear(sides.here)
    assert not is_old(sides.ask(key)[0]) or event == "restrict"
    assert_agrees(sides, key)


def assert_agrees(sides, key):
    """What is remembered, if anything, is what the store has."""
    recalled = sides.here.recall(keys.parse(key).id)
    if recalled is not None:
        stored = sides.stored(key)
        data = codec.decode(stored.record.data)
        assert recalled.record == stored.record._replace(data="{}")
        assert recalled.data == {name: data[name] for name in data if name.startswith(IDENTITY)}
        assert vars(recalled.principal).keys() == vars(stored.principal).keys()
        assert recalled.principal.email == stored.principal.email


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_fill_across_a_reconnection_is_not_believed(sides, key, monkeypatch, moment):
    def reconnect():
        sides.here._channel.inbox.clear()
        sides.here._channel.epoch += 1
        with sides.on(sides.there):
            registry.revoke(keys.parse(key).id)
        sides.here._channel.inbox.clear()  # it was told before this side listened again

    once(monkeypatch, sides.here._store, "find", moment, reconnect)
    sides.ask(key)
    assert len(sides.here.entries) == 0
    assert sides.ask(key)[0].is_anonymous


def test_a_fill_that_began_without_a_channel_is_not_believed(sides, key, monkeypatch):
    sides.here._channel.epoch = 0

    def connect():
        sides.here._channel.epoch = 1

    once(monkeypatch, sides.here._store, "find", "after", connect)
    sides.ask(key)
    assert len(sides.here.entries) == 0


def test_a_revocation_between_the_look_at_the_channel_and_the_answer_is_seen_by_the_next_request(
    sides, key, user, monkeypatch
):
    sides.ask(key)
    there = sides.there

    def revoke():
        with sides.on(there):
            registry.revoke(keys.parse(key).id)

    once(monkeypatch, sides.here._channel, "is_trusted", "after", revoke)
    assert sides.ask(key)[0] == user  # it began before
    assert sides.ask(key)[0].is_anonymous


def test_a_change_of_somebody_else_does_not_lose_a_fill(sides, key, user, make_user, monkeypatch):
    other = make_user()
    text = sign_in(other)
    with sides.on(sides.there):
        once(monkeypatch, sides.here._store, "find", "after", lambda: EVENTS["revoke"](text, other))
    sides.ask(key)
    assert sides.here.recall(keys.parse(key).id).principal == user
    assert sides.here.counters.lost == 0


@pytest.mark.rule("R09")
@pytest.mark.parametrize(
    ("change", "error"),
    [(rotate, StaleSession), (lambda key, user: registry.revoke(keys.parse(key).id), SessionGone)],
)
@pytest.mark.parametrize("reads_first", [True, False])
def test_who_was_let_in_from_memory_writes_into_no_other_session(
    sides, key, user, change, error, reads_first
):
    """The news are on their way: the request knows its user, and its session has ended or has another key."""
    sides.ask(key, sides.there)
    with sides.on(sides.here):
        change(key, user)
    there = Session.objects.count()
    sides.members[1].inbox.clear()  # not here yet
    found, session = sides.ask(key, sides.there)
    assert found == user
    with sides.on(sides.there):
        if reads_first:
            assert session.get("basket") is None
        session["late"] = 1
        assert session.has_changes()
        with pytest.raises(error):
            session.save()
        assert session.session_key == key
    assert Session.objects.count() == there
    assert not Session.objects.filter(data__has_key="late").exists()
