"""With the sessions in Valkey a request is one command and one statement, and from whom Django finds."""

from __future__ import annotations

import pytest
from django.contrib import auth
from redis.connection import Connection

from sessionkeeper.stores import factory
from tests.conftest import new_user
from tests.stores import redis_store, sqlite_file
from tests.unit.engine.test_principal import (
    ActiveManager,
    Annotating,
    Choosy,
    Deferring,
    Distinct,
    Joining,
    Nothing,
    OwnAsyncGetUser,
    OwnGetUser,
    Sliced,
    SometimesAnnotating,
    SometimesDeferring,
    TenantManager,
    UsersElsewhere,
    Visit,
    managed_by,
    session_of,
    tenant,
    use,
)

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A store at a Valkey, which the site uses."""
    made = redis_store()
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@pytest.fixture(params=["sync", "async"])
def flavour(request):
    """Sync or async."""
    return request.param


@pytest.fixture
def sent(monkeypatch):
    """What is sent to the server from now on, one for each round trip."""
    trips, send = [], Connection.send_packed_command

    def note(self, command, **options):
        trips.append(b"".join(command))
        return send(self, command, **options)

    monkeypatch.setattr(Connection, "send_packed_command", note)
    return trips


def test_a_request_costs_one_command_and_one_statement(make_user, flavour, sent):
    user = make_user()
    key = session_of(user)
    Visit(key, flavour)
    sent.clear()
    visit = Visit(key, flavour)
    assert visit.user == user
    assert visit.statements == ["SELECT"]
    assert len(sent) == 1


def test_the_user_has_all_columns_that_django_reads(make_user, flavour):
    user = make_user()
    visited = Visit(session_of(user), flavour).user
    loaded = auth.get_user_model()._default_manager.get(pk=user.pk)
    for field in user._meta.concrete_fields:
        assert getattr(visited, field.attname) == getattr(loaded, field.attname)
    assert not visited.get_deferred_fields()
    assert (visited._state.db, visited._state.adding) == ("default", False)


def test_a_managers_filter_is_kept(make_user, flavour):
    user = make_user()
    key = session_of(user)
    with managed_by(ActiveManager()):
        Visit(key, flavour)
        visit = Visit(key, flavour)
        assert visit.user == user
        assert visit.statements == ["SELECT"]
        type(user)._base_manager.filter(pk=user.pk).update(is_active=False)
        assert not Visit(key, flavour).user.is_authenticated


def test_a_filter_that_depends_on_the_context_is_never_that_of_another(make_user, flavour):
    one, two = make_user(email="x@one.example"), make_user(email="x@two.example")
    keys = session_of(one), session_of(two)
    with managed_by(TenantManager()):
        for name in ("@one.example", "@two.example", "@three.example", "@one.example"):
            token = tenant.set(name)
            seen = [Visit(key, flavour).user.is_authenticated for key in keys]
            tenant.reset(token)
            assert seen == [name == "@one.example", name == "@two.example"]


@pytest.mark.parametrize(
    "manager", [Annotating, Deferring, Joining, Distinct, Sliced, SometimesAnnotating, SometimesDeferring]
)
def test_every_manager_finds_the_user_as_it_does_for_django(make_user, manager):
    user = make_user()
    if hasattr(user, "groups"):
        user.groups.create(name="g1")
        user.groups.create(name="g2")
    key = session_of(user)
    with managed_by(manager()):
        for context in ("", "annotate", "", "defer", "annotate", ""):
            token = tenant.set(context)
            found = Visit(key).user
            tenant.reset(token)
            assert (found, found.email) == (user, user.email)


def test_a_manager_that_hides_everybody_lets_nobody_in_and_ends_nothing(make_user, flavour):
    key = session_of(make_user())
    with managed_by(Nothing()):
        assert not Visit(key, flavour).user.is_authenticated
    assert Visit(key, flavour).user.is_authenticated


def test_backends_with_a_look_up_of_their_own_are_asked(make_user, settings):
    user = make_user()
    visit = Visit(session_of(user, use(settings, OwnGetUser)))
    assert (visit.user.found_by, visit.statements) == ("own", ["SELECT", "SELECT"])
    visit = Visit(session_of(user, use(settings, OwnAsyncGetUser)), "async")
    assert visit.user.found_by == "own"


def test_a_backend_may_refuse_a_user_without_ending_the_session(make_user, flavour, settings, store):
    key = session_of(make_user(), use(settings, Choosy))
    assert not Visit(key, flavour).user.is_authenticated
    assert store.count() == 1


@pytest.mark.parametrize("how", ["disabled", "deleted", "password"])
def test_a_user_who_changed_behind_djangos_back_is_refused_and_the_session_ends(
    make_user, flavour, store, how
):
    user = make_user()
    rows = type(user)._base_manager.filter(pk=user.pk)
    key = session_of(user)
    if how == "disabled":
        rows.update(is_active=False)
    elif how == "deleted":
        rows._raw_delete("default")
    else:
        rows.update(password="another")
    assert not Visit(key, flavour).user.is_authenticated
    assert store.count() == 0


@pytest.mark.usefixtures("any_database")
def test_users_in_another_database_are_asked_for_there(tmp_path, flavour, settings):
    with sqlite_file("users", tmp_path / "users.sqlite3"):
        settings.DATABASE_ROUTERS = [UsersElsewhere()]
        user = new_user()
        key = session_of(user)
        visit = Visit(key, flavour)
        assert visit.user == user
        assert visit.statements == ["SELECT"]  # whether the session has ended
        assert Visit(key, flavour, alias="users").statements == ["SELECT"]
