"""What a near cache remembers, whom it tells, and when it asks the store all the same."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import F

from sessionkeeper.core import keys
from sessionkeeper.engine import lookup, registry, session_data
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from tests.near_sides import Sides, sign_in
from tests.unit.stores.near_cache.remembering import cost, remembered

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


# A hit


def test_who_is_remembered_costs_no_statement(sides, key, user):
    (found, session), statements = cost(sides.ask, key)
    assert (found, statements) == (user, [])
    assert session.names_user()
    assert sides.here.counters.hits == 1


def test_every_request_gets_a_user_of_its_own(sides, key):
    one, other = sides.ask(key)[0], sides.ask(key)[0]
    assert one is not other
    one.email = "changed@example.org"
    assert sides.ask(key)[0].email == other.email != one.email
    assert (other._state.adding, other._state.db) == (False, "default")


def test_the_rest_of_the_session_is_read_from_the_store_once_when_it_is_wanted(sides, key):
    session = sides.ask(key)[1]
    with sides.on(sides.there):
        theirs = SessionStore(key)
        theirs["basket"] = 2
        theirs.save()
    assert cost(session.get, "basket") == (2, ["SELECT"])
    assert cost(session.get, "basket") == (2, [])


def test_a_write_after_a_hit_keeps_what_others_wrote(sides, key):
    session = sides.ask(key)[1]
    with sides.on(sides.there):
        theirs = SessionStore(key)
        theirs["theirs"] = 1
        theirs.save()
    session["mine"] = 1
    session.save()
    data = Session.objects.get().data
    assert (data["basket"], data["mine"], data["theirs"]) == (1, 1, 1)
    assert "_auth_user_id" in data


def test_a_sign_out_after_a_hit_ends_the_session_everywhere(sides, key):
    sides.ask(key)[1].flush()
    assert Session.objects.count() == 0
    assert [sides.ask(key, side)[0].is_anonymous for side in (sides.here, sides.there)] == [True, True]


def test_a_key_with_another_secret_is_left_to_the_store(sides, key, user):
    wrong = keys.rotate(keys.parse(key)).text
    (found, _), statements = cost(sides.ask, wrong)
    assert found.is_anonymous
    assert statements == ["SELECT"]
    assert sides.ask(key)[0] == user


def test_a_key_of_a_cookie_opens_nothing_as_a_token(sides, key):
    assert lookup.recall(key, transport="bearer") is None
    assert lookup.recall("nonsense", transport="cookie") is None


def test_what_is_remembered_holds_no_data_but_who_signed_in(sides, key):
    recalled = sides.here.recall(keys.parse(key).id)
    assert recalled.record.data == "{}"
    assert recalled.data.keys() == {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}


def test_a_session_of_nobody_is_not_remembered(sides):
    session = SessionStore()
    session["a"] = 1
    session.save()
    sides.ask(session.session_key)
    assert len(sides.here.entries) == 0


# Whoever ends or changes it, both sides forget


ENDS = {
    "revoke": lambda key, user: registry.revoke(keys.parse(key).id),
    "revoke_all": lambda key, user: registry.revoke_all(user),
    "revoke_many": lambda key, user: registry.revoke_many([keys.parse(key).id]),
    "flush": lambda key, user: SessionStore(key).flush(),
    "delete": lambda key, user: SessionStore().delete(key),
    "rotate": lambda key, user: SessionStore(key).cycle_key(),
    "delete_user": lambda key, user: user.delete(),
    "disable": lambda key, user: set_and_save(user, is_active=False),
    "password": lambda key, user: set_and_save(user, password="x"),
}


def set_and_save(user, **fields):
    """Change a user."""
    for name, value in fields.items():
        setattr(user, name, value)
    user.save()


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("end", ENDS)
def test_what_was_ended_on_one_side_is_refused_on_both(sides, key, user, end, side):
    with sides.on(getattr(sides, side)):
        ENDS[end](key, user)
    assert [sides.ask(key, one)[0].is_anonymous for one in (sides.here, sides.there)] == [True, True]


def test_a_saved_field_of_the_user_is_seen_on_both_sides(sides, key, user):
    with sides.on(sides.there):
        set_and_save(user, email="new@example.org")
    for side in (sides.here, sides.there):
        found, statements = cost(sides.ask, key, side)
        assert found[0].email == "new@example.org"
        assert statements == ["SELECT"]


def test_another_users_change_is_no_reason_to_forget(sides, key, make_user):
    other = make_user()
    sign_in(other)
    set_and_save(other, email="new@example.org")
    assert remembered(sides, key)


def test_a_scope_that_is_taken_away_is_seen_on_both_sides(sides, key):
    with sides.on(sides.there):
        session = SessionStore(key)
        session[session_data.SCOPES_KEY] = ["read"]
        session.save()
    assert not remembered(sides, key)
    assert sides.ask(key)[1].get(session_data.SCOPES_KEY) == ["read"]


def test_a_shorter_life_is_seen_on_both_sides(sides, key, clock):
    with sides.on(sides.there):
        session = SessionStore(key)
        session.set_expiry(1)
        session.save()
    clock.move(seconds=2)
    assert sides.ask(key)[0].is_anonymous


def test_other_data_is_written_without_a_word_to_others(sides, key):
    said = list(sides.here._channel.said)
    session = SessionStore(key)
    session["basket"] = 2
    session.save()
    assert sides.here._channel.said == said
    assert remembered(sides, key, sides.there)
    assert not remembered(sides, key)


# Limits


def test_nothing_is_believed_longer_than_the_lease(sides, key, clock):
    clock.move(seconds=60)
    assert remembered(sides, key)
    clock.move(seconds=1)
    assert not remembered(sides, key)


def test_before_a_session_is_refused_for_idleness_the_store_is_asked(monkeypatch, clock, user):
    sides = Sides(monkeypatch, clock, lease=timedelta(minutes=5))
    session = SessionStore(sign_in(user))
    session.set_expiry(20)
    session.save()
    key = session.session_key
    assert sides.ask(key)[0] == user
    clock.move(seconds=15)
    with sides.on(sides.there):
        assert sides.there.touch(keys.parse(key).id, keys.parse(key).secret_hash)
    clock.move(seconds=15)
    assert cost(sides.ask, key)[1] == ["SELECT"]
    assert sides.ask(key)[0] == user
    clock.move(seconds=30)
    assert sides.ask(key)[0].is_anonymous


def test_a_touch_that_another_process_made_is_not_made_again(sides, key, clock, user):
    Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(minutes=4, seconds=50))
    for side in (sides.here, sides.there):
        side.entries.reset()
        sides.ask(key, side)
    clock.move(seconds=20)
    with sides.on(sides.there):
        session = sides.ask(key, sides.there)[1]
        session._active.touch_if_due()
    session = sides.ask(key)[1]
    assert cost(session._active.touch_if_due)[1] == []


def test_a_passive_request_that_is_due_for_a_touch_asks_once(sides, key, clock):
    Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(minutes=10))
    sides.here.entries.reset()
    assert [cost(sides.ask, key)[1] for _ in range(3)] == [["SELECT"], [], []]


def test_under_another_manager_nobody_is_remembered(sides, key, monkeypatch, user):
    model = get_user_model()
    manager = type(model._default_manager)
    hidden = []
    real = manager.get_queryset

    def tenants(self):
        return real(self).filter(is_active=True) if hidden else real(self)

    monkeypatch.setattr(manager, "get_queryset", tenants)
    sides.here.entries.reset()
    assert cost(sides.ask, key)[1] == ["SELECT"]
    assert cost(sides.ask, key)[1] == []
    hidden.append(True)
    assert cost(sides.ask, key)[1] == ["SELECT"]


def test_a_child_of_a_fork_takes_nothing_over(sides, key):
    entries = sides.here.entries
    with entries._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            os._exit(0 if len(entries) == 0 and entries._lock.acquire(timeout=1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert remembered(sides, key)


def test_a_renewal_is_heard_of(sides, key):
    with sides.on(sides.there):
        old, new = keys.parse(key), keys.rotate(keys.parse(key))
        assert sides.there.renew(old.id, old.secret_hash, new.secret_hash, old.family_hash)
    assert not remembered(sides, key)


@pytest.mark.parametrize("side", ["here", "there"])
def test_a_session_that_ended_to_make_room_is_refused_on_both(sides, key, user, settings, side):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1}
    with sides.on(getattr(sides, side)):
        sign_in(user)
    assert [sides.ask(key, one)[0].is_anonymous for one in (sides.here, sides.there)] == [True, True]
