"""Two requests at once, in every order that matters: the other side runs at a chosen moment of the first."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from datetime import timedelta

import pytest
from django.db import connection

from sessionkeeper.core import keys
from sessionkeeper.core.errors import SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.core.records import SessionPatch
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import factory
from sessionkeeper.stores.database import writes
from sessionkeeper.stores.database.store import MERGE_TRIES, DatabaseStore
from tests.memory_store import MemoryStore
from tests.stores import STORES, Clock, insert, near

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=["memory", "database", "near", "valkey", "cluster"])
def store(request, monkeypatch):
    """Every store, used by the engine."""
    made = near(DatabaseStore()) if request.param == "near" else STORES[request.param]()
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def key(store, user):
    """The key of a session in which the user is signed in."""
    session = SessionStore()
    session.update({"_auth_user_id": user._meta.pk.value_to_string(user), "a": 1})
    session.save()
    return session.session_key


def once(monkeypatch, target, method, moment, other):
    """Let ``other`` run just before or after the next call of a method."""
    real = getattr(target, method)

    def hooked(*args, **kwargs):
        monkeypatch.setattr(target, method, real)
        if moment == "before":
            other()
        result = real(*args, **kwargs)
        if moment == "after":
            other()
        return result

    monkeypatch.setattr(target, method, hooked)


def opens(key):
    """Whether a key opens a session in which somebody is signed in."""
    return "_auth_user_id" in SessionStore(key)


def data_of(store, key):
    """Return the stored data."""
    return json.loads(store.find(keys.parse(key).id).record.data)


# Revoke against everything

REVOKE = {
    "revoke": lambda key, user: registry.revoke(keys.parse(key).id),
    "revoke_all": lambda key, user: registry.revoke_all(user),
    "revoke_many": lambda key, user: registry.revoke_many([keys.parse(key).id]),
    "flush": lambda key, user: SessionStore(key).flush(),
    "delete": lambda key, user: SessionStore().delete(key),
}


def load(key):
    """A request that reads."""
    SessionStore(key).get("a")


def save(key):
    """A request that writes."""
    session = SessionStore(key)
    session["b"] = 2
    session.save()


def replace(key):
    """A request that drops all data."""
    session = SessionStore(key)
    session.clear()
    session["b"] = 2
    session.save()


def save_unread(key):
    """A request that writes without reading."""
    session = SessionStore(key)
    session._session_cache = {"b": 2}
    session.save()


def rotate(key):
    """A request that changes the key, and then writes."""
    session = SessionStore(key)
    session.get("a")
    session.cycle_key()
    session["b"] = 2
    session.save()
    return session.session_key


def sign_in_again(key):
    """A request in which the same user signs in again."""
    session = SessionStore(key)
    session["_auth_user_id"] = session["_auth_user_id"]
    session.save()
    return session.session_key


def touch(key):
    """A request that records use."""
    session = SessionStore(key)
    session.get("a")
    session._active.touch_if_due(force=True)


MOMENTS = [
    (load, "find"),
    (save, "find"),
    (save, "merge"),
    (save_unread, "merge"),
    (replace, "merge"),
    (rotate, "find"),
    (rotate, "rotate"),
    (rotate, "merge"),
    (touch, "find"),
    (touch, "touch"),
]
COMBINATIONS = [
    pytest.param(request_, method, moment, revoke, id=f"{request_.__name__}-{moment}-{method}-{revoke}")
    for request_, method in MOMENTS
    for moment in ("before", "after")
    for revoke in REVOKE
    # Who was signed out by the clear is not the user any more; a key that was rotated away ends nothing.
    if (request_, moment, method, revoke) != (replace, "after", "merge", "revoke_all")
    if revoke.startswith("revoke")
    or request_ is not rotate
    or (method, moment) in {("find", "before"), ("find", "after"), ("rotate", "before")}
]


@pytest.mark.rule("R12")
@pytest.mark.parametrize(("request_", "method", "moment", "revoke"), COMBINATIONS)
@pytest.mark.rule("L10")
def test_a_session_that_was_revoked_meanwhile_is_never_alive_again(
    store, key, user, monkeypatch, request_, method, moment, revoke
):
    once(monkeypatch, store, method, moment, lambda: REVOKE[revoke](key, user))
    new = None
    with suppress(SessionGone, StaleSession):
        new = request_(key)
    assert not opens(key)
    assert not opens(new)
    assert store.find(keys.parse(key).id) is None
    assert store.list_for(user.pk) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", ["find", "rotate", "merge"])
@pytest.mark.rule("L10")
def test_a_sign_in_during_a_revocation_is_a_new_session(store, key, user, monkeypatch, method, moment):
    once(monkeypatch, store, method, moment, lambda: registry.revoke(keys.parse(key).id))
    new = None
    with suppress(SessionGone, KeyError):
        new = sign_in_again(key)
    assert not opens(key)
    assert store.find(keys.parse(key).id) is None
    if new is not None and opens(new):
        assert keys.parse(new).id != keys.parse(key).id


@pytest.mark.rule("R09")
def test_a_save_that_read_before_the_revocation_says_that_the_session_is_gone(store, key, monkeypatch):
    once(monkeypatch, store, "merge", "before", lambda: registry.revoke(keys.parse(key).id))
    with pytest.raises(SessionGone):
        save(key)
    assert store.count() == 0


@pytest.mark.rule("R12")
def test_a_sign_in_during_a_revocation_carries_nothing_over(store, key, monkeypatch):
    once(monkeypatch, store, "rotate", "before", lambda: registry.revoke(keys.parse(key).id))
    session = SessionStore(key)
    session["_auth_user_id"] = session["_auth_user_id"]
    session.save()
    assert data_of(store, session.session_key).keys() == {"_auth_user_id"}


def test_the_user_column_stays_when_a_writer_did_not_read(store, key, user):
    save_unread(key)
    assert opens(key)
    assert registry.revoke_all(user) == 1
    assert not opens(key)


# Rotate against rotate and save


@pytest.mark.parametrize("request_", [save, save_unread])
def test_a_save_after_a_rotation_by_another_is_refused_and_changes_nothing(store, key, monkeypatch, request_):
    new = []
    once(monkeypatch, store, "merge", "before", lambda: new.append(rotate_only(key)))
    with pytest.raises(StaleSession):
        request_(key)
    assert not opens(key)
    assert opens(new[0])
    assert "b" not in data_of(store, key)


def rotate_only(key):
    """Change the key of a session and return the new one."""
    session = SessionStore(key)
    session.get("a")
    session.cycle_key()
    return session.session_key


def test_a_save_before_a_rotation_by_another_is_kept(store, key, monkeypatch):
    new = []
    once(monkeypatch, store, "merge", "after", lambda: new.append(rotate_only(key)))
    save(key)
    assert not opens(key)
    assert opens(new[0])
    assert data_of(store, key)["b"] == 2


@pytest.mark.rule("L10")
@pytest.mark.rule("R64")
@pytest.mark.parametrize("in_middleware", [True, False])
def test_of_two_rotations_one_wins_and_the_other_keeps_the_session(store, key, monkeypatch, in_middleware):
    winner = []
    once(monkeypatch, store, "rotate", "before", lambda: winner.append(rotate_only(key)))
    session = SessionStore(key)
    session.touches_on_load = not in_middleware
    session.get("a")
    session.modified = False
    session.cycle_key()
    assert (session.session_key, session.modified, session.cookie_due) == (key, False, False)
    assert "_auth_user_id" in session
    session["b"] = 2
    with nullcontext() if in_middleware else pytest.raises(StaleSession):
        session.save()
    assert (opens(key), opens(winner[0])) == (False, True)
    assert ("b" in data_of(store, key)) is in_middleware
    assert store.count() == 1


@pytest.mark.rule("R64")
@pytest.mark.rule("R12")
def test_the_loser_of_two_rotations_writes_nothing_once_the_session_was_ended(store, key, monkeypatch):
    once(monkeypatch, store, "rotate", "before", lambda: rotate_only(key))
    session = SessionStore(key)
    session.touches_on_load = False
    session.get("a")
    session.cycle_key()
    registry.revoke(keys.parse(key).id)
    session["b"] = 2
    with pytest.raises(SessionGone):
        session.save()
    assert store.count() == 0


def test_of_two_rotations_one_after_the_other_the_last_key_opens(store, key):
    first = rotate_only(key)
    second = rotate_only(first)
    assert [opens(text) for text in (key, first, second)] == [False, False, True]


def test_a_touch_after_a_rotation_by_another_changes_nothing(store, key, monkeypatch):
    new = []
    once(monkeypatch, store, "touch", "before", lambda: new.append(rotate_only(key)))
    touch(key)
    assert opens(new[0])
    assert not opens(key)


# Save against save


@pytest.mark.rule("R10")
@pytest.mark.parametrize("method", ["find", "merge"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_writers_of_different_keys_both_survive(store, key, monkeypatch, method, moment):
    def other():
        session = SessionStore(key)
        session["theirs"] = 1
        del session["a"]
        session.save()

    once(monkeypatch, store, method, moment, other)
    session = SessionStore(key)
    session["mine"] = 1
    session.save()
    assert data_of(store, key).keys() == {"_auth_user_id", "mine", "theirs"}


@pytest.mark.parametrize(("moment", "wins"), [("before", "mine"), ("after", "theirs")])
def test_of_writers_of_one_key_the_last_wins(store, key, monkeypatch, moment, wins):
    def other():
        session = SessionStore(key)
        session["value"] = "theirs"
        session.save()

    once(monkeypatch, store, "merge", moment, other)
    session = SessionStore(key)
    session["value"] = "mine"
    session.save()
    assert data_of(store, key)["value"] == wins


@pytest.mark.parametrize(("moment", "kept"), [("before", set()), ("after", {"theirs"})])
def test_a_clear_drops_what_was_written_before_it(store, key, monkeypatch, moment, kept):
    def other():
        session = SessionStore(key)
        session["theirs"] = 1
        session.save()

    once(monkeypatch, store, "merge", moment, other)
    session = SessionStore(key)
    who = session["_auth_user_id"]
    session._session_cache = {"_auth_user_id": who}
    session._active.replace_on_save()
    session.save()
    assert data_of(store, key).keys() == {"_auth_user_id"} | kept


#: A name that no path of SQLite can spell, so that it merges as MySQL does: by a read and a swap.
MINE = SessionPatch(json.dumps({'"mine"': 1}))


def test_a_writer_between_read_and_swap_is_seen():
    if connection.vendor == "postgresql":
        return  # no read there: see the budgets
    store = DatabaseStore()
    key = insert(store)
    with pytest.MonkeyPatch.context() as patch:
        other = SessionPatch('{"theirs": 1}')
        once(patch, store, "_latest", "after", lambda: store.merge(key.id, key.secret_hash, other, None))
        store.merge(key.id, key.secret_hash, MINE, None)
    assert json.loads(store.find(key.id).record.data) == {'"mine"': 1, "theirs": 1}


@pytest.mark.parametrize("end", ["revoke", "rotate"])
def test_an_end_between_read_and_swap_is_seen(monkeypatch, end):
    if connection.vendor == "postgresql":
        return
    store = DatabaseStore()
    key = insert(store)
    new = keys.rotate(key)
    ends = {
        "revoke": (lambda: store.revoke(key.id), SessionGone),
        "rotate": (
            lambda: store.rotate(key.id, key.secret_hash, new.secret_hash, new.family_hash),
            StaleSession,
        ),
    }
    other, error = ends[end]
    once(monkeypatch, store, "_latest", "after", other)
    with pytest.raises(error):
        store.merge(key.id, key.secret_hash, MINE, None)


def test_a_writer_who_is_always_too_late_gives_up_in_the_end(monkeypatch):
    if connection.vendor == "postgresql":
        return
    store = DatabaseStore()
    key = insert(store)
    tries = []
    real = store._latest

    def latest(session_id):
        record = real(session_id)
        tries.append(1)
        DatabaseStore().merge(key.id, key.secret_hash, SessionPatch('{"theirs": 1}'), record)
        return record

    monkeypatch.setattr(store, "_latest", latest)
    with pytest.raises(StoreUnavailable):
        store.merge(key.id, key.secret_hash, MINE, None)
    assert len(tries) == MERGE_TRIES


# Purge against use


@pytest.mark.parametrize("kind", [MemoryStore, DatabaseStore])
@pytest.mark.rule("L11")
def test_a_session_that_is_used_while_a_purge_looks_is_kept(kind, monkeypatch):
    clock = Clock()
    store = kind(clock=clock)
    used, unused = insert(store, idle_seconds=60), insert(store, idle_seconds=60)
    clock.move(seconds=61)
    if kind is DatabaseStore:
        once(
            monkeypatch, writes, "delete_returning", "before", lambda: store.touch(used.id, used.secret_hash)
        )
    else:
        store.touch(used.id, used.secret_hash)
    assert store.purge(10).sessions == 1
    assert store.find(used.id) is not None
    assert store.find(unused.id) is None


def test_a_session_whose_life_grows_while_a_purge_looks_is_kept(monkeypatch):
    clock = Clock()
    store = DatabaseStore(clock=clock)
    key = insert(store, lifetime=timedelta(minutes=1), idle_seconds=None)
    clock.move(minutes=2)
    longer = SessionPatch(lifetime=timedelta(days=1))
    once(
        monkeypatch,
        writes,
        "delete_returning",
        "before",
        lambda: store.merge(key.id, key.secret_hash, longer, None),
    )
    assert store.purge(10).sessions == 0
    assert store.find(key.id) is not None
