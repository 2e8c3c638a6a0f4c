"""PRINCIPAL_CACHE: what is kept of a user with a session in Valkey, and how long it is believed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib import auth
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import factory
from sessionkeeper.stores.redis import user_cache, user_lookup
from tests.near_sides import sign_in
from tests.stores import KINDS, Clock, near, redis_store
from tests.unit.engine.test_principal import ActiveManager, TenantManager, managed_by, tenant
from tests.unit.middleware.visiting import Visit
from tests.unit.stores.redis.test_user_lookup import flavour, sent  # noqa: F401 - fixtures

pytestmark = [pytest.mark.any_user, pytest.mark.django_db(transaction=True)]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


@pytest.fixture(params=KINDS[:1])
def store(request, clock, monkeypatch, settings):
    """A store that the site uses, and that keeps users for a minute."""
    settings.SESSIONKEEPER = {"PRINCIPAL_CACHE": MINUTE}
    made = redis_store(request.param, clock)
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def one_table(user):
    """Users in several tables, of whom nothing is kept, are not what this is about."""
    if user._meta.parents:
        pytest.skip("Users in several tables are not kept.")


@pytest.fixture
def key(store, user, one_table):
    """The key of a session with which its user is kept."""
    text = sign_in(user)
    assert Visit(text).user == user
    assert kept(store, text)
    return text


def kept(store, key):
    """What is kept of the user, as text."""
    name = store._index.session(keys.parse(key).id)
    return store.client.connection.hget(name, user_cache.FIELD)


def statements(key):
    """The first words of what the database is asked in a request."""
    return Visit(key).statements


def test_a_request_costs_one_command_and_no_statement(key, user, flavour, sent):  # noqa: F811
    sent.clear()
    visit = Visit(key, flavour)
    assert (visit.user, visit.statements) == (user, [])
    assert len(sent) == 1
    assert visit.session["basket"] == 1


@pytest.mark.parametrize("store", KINDS[1:], indirect=True)
def test_every_kind_of_server_keeps_users(key, user):
    assert statements(key) == []
    user.email = "new@example.org"
    user.save()
    assert Visit(key).user.email == "new@example.org"


def test_the_hash_of_the_password_is_not_in_valkey(key, user, store):
    fields = store.client.connection.hgetall(store._index.session(keys.parse(key).id))
    assert user.password.encode() not in b"|".join(fields.values())
    assert user.password.split("$")[-1].encode() not in b"|".join(fields.values())
    assert user.get_session_auth_hash().encode() in kept(store, key)


def test_the_password_is_read_when_somebody_asks_for_it(key, user):
    visited = Visit(key).user
    assert visited.get_deferred_fields() == {"password"}
    with CaptureQueriesContext(connection) as captured:
        assert visited.password == user.password
        assert visited.check_password("correct horse battery staple")
        assert visited.get_session_auth_hash() == user.get_session_auth_hash()
    assert len(captured) == 1


def test_a_kept_user_can_be_saved_and_keeps_the_password(key, user):
    visited = Visit(key).user
    visited.email = "new@example.org"
    visited.save()
    user.refresh_from_db()
    assert (user.email, user.has_usable_password()) == ("new@example.org", True)
    assert user.check_password("correct horse battery staple")


def test_all_other_columns_are_there(key, user):
    visited, loaded = Visit(key).user, auth.get_user_model()._default_manager.get(pk=user.pk)
    for field in user._meta.concrete_fields:
        assert getattr(visited, field.attname) == getattr(loaded, field.attname)
        assert type(getattr(visited, field.attname)) is type(getattr(loaded, field.attname))


def test_nothing_is_believed_longer_than_the_setting(key, clock, user):
    type(user)._base_manager.filter(pk=user.pk).update(email="new@example.org")
    clock.move(seconds=60)
    visit = Visit(key)
    assert (visit.statements, visit.user.email) == ([], user.email)
    clock.move(seconds=1)
    visit = Visit(key)
    assert (visit.statements, visit.user.email) == (["SELECT"], "new@example.org")
    assert statements(key) == []


def test_what_is_from_the_future_is_not_believed(key, clock):
    clock.move(seconds=-1)
    assert statements(key) == ["SELECT"]


CHANGES = {
    "disable": {"is_active": False},
    "password": {"password": "another"},
}


@pytest.mark.rule("R15")
@pytest.mark.parametrize("change", CHANGES)
def test_a_user_who_is_disabled_or_has_another_password_is_out_at_once(key, user, change):
    for name, value in CHANGES[change].items():
        setattr(user, name, value)
    user.save()
    assert not Visit(key).user.is_authenticated


@pytest.mark.rule("R15")
def test_a_deleted_user_is_out_at_once(key, user):
    user.delete()
    assert not Visit(key).user.is_authenticated


@pytest.mark.parametrize("fields", [None, ["email"]])
def test_a_saved_column_is_seen_at_the_next_request_in_all_sessions(key, user, fields):
    others = [sign_in(user) for _ in range(2)]
    for other in others:
        Visit(other)
    user.email = "new@example.org"
    user.save(update_fields=fields)
    assert {Visit(one).user.email for one in (key, *others)} == {"new@example.org"}


def test_another_users_change_drops_nothing(key, make_user):
    other = make_user()
    sign_in(other)
    other.email = "new@example.org"
    other.save()
    assert statements(key) == []


def test_what_is_changed_in_a_transaction_is_seen_once_it_is_committed(key, user, store):
    with transaction.atomic():
        user.email = "new@example.org"
        user.save()
        assert kept(store, key) is None
        # Somebody else reads what was there before, and keeps it.
        fields = {user_cache.INVALIDATIONS: b"1"}
        old = json.dumps(["x", "0", "x", []])
        store.client.run(
            [store._index.session(keys.parse(key).id)], "remember", "", fields[user_cache.INVALIDATIONS], old
        )
        assert kept(store, key) is not None
    assert kept(store, key) is None
    assert Visit(key).user.email == "new@example.org"


def test_a_read_in_a_transaction_that_is_undone_keeps_nothing(key, user, store):
    class Undone(Exception):
        pass

    def change_and_ask():
        with transaction.atomic():
            user.email = "new@example.org"
            user.save()
            assert Visit(key).user.email == "new@example.org"
            raise Undone

    with pytest.raises(Undone):
        change_and_ask()
    assert kept(store, key) is None
    assert Visit(key).user.email != "new@example.org"


@pytest.mark.parametrize("event", ["rename", "disable", "password", "revoke"])
def test_a_read_that_raced_a_change_keeps_nothing(store, user, one_table, monkeypatch, event):
    key, real = sign_in(user), user_lookup.ask

    def change():
        if event == "revoke":
            registry.revoke(keys.parse(key).id)
            return
        for name, value in {**CHANGES, "rename": {"email": "new@example.org"}}[event].items():
            setattr(user, name, value)
        user.save()

    def ask(*args, **kwargs):
        monkeypatch.setattr(user_lookup, "ask", real)
        answer = real(*args, **kwargs)
        change()
        return answer

    monkeypatch.setattr(user_lookup, "ask", ask)
    store.find(keys.parse(key).id, principal=True)
    assert kept(store, key) is None
    visited = Visit(key).user
    assert visited.is_authenticated == (event == "rename")
    assert not visited.is_authenticated or visited.email == "new@example.org"


def test_before_anybody_is_refused_the_database_is_asked(key, user):
    type(user)._base_manager.filter(pk=user.pk).update(password="another")
    user.refresh_from_db()
    session = SessionStore(key)
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert Visit(session.session_key).user == user


def test_a_disabled_user_is_not_kept(store, user, one_table, settings):
    path = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    settings.AUTHENTICATION_BACKENDS = [path]
    user.is_active = False
    user.save()
    session = SessionStore(sign_in(user))
    session[auth.BACKEND_SESSION_KEY] = path
    session.save()
    assert Visit(session.session_key).user == user
    assert kept(store, session.session_key) is None


def test_another_secret_key_believes_nothing(key, settings):
    settings.SECRET_KEY = "new"
    assert not Visit(key).user.is_authenticated


def test_a_session_that_was_ended_is_refused_while_a_copy_of_it_is_young_only(key, store, clock):
    server, name = store.client.connection, store._index.session(keys.parse(key).id)
    copy = server.dump(name)
    store.revoke(keys.parse(key).id)
    server.restore(name, 0, copy)
    clock.move(seconds=61)
    assert not Visit(key).user.is_authenticated


def test_under_another_manager_or_tenant_what_is_kept_is_not_believed(store, make_user, one_table):
    user = make_user(email="x@one.example")
    key = sign_in(user)
    with managed_by(TenantManager()):
        for name in ("@one.example", "@two.example", "@one.example", "@two.example"):
            token = tenant.set(name)
            assert Visit(key).user.is_authenticated == (name == "@one.example")
            tenant.reset(token)
    with managed_by(ActiveManager()):
        assert statements(key) == ["SELECT"]
        assert statements(key) == []


def test_a_hash_of_the_projects_own_is_asked_every_time(store, user, monkeypatch):
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: "own")
    key = sign_in(user)
    assert [statements(key) for _ in range(2)] == [["SELECT"], ["SELECT"]]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"[1, 2, 3, 4]", b'["x", "", "", []]', b"null", b"\xff"])
def test_foreign_bytes_are_no_user(key, store, text, user):
    name = store._index.session(keys.parse(key).id)
    store.client.connection.hset(name, user_cache.FIELD, text)
    assert Visit(key).user == user


def test_a_store_that_does_not_take_it_stops_nobody(store, user, monkeypatch):
    key, real = sign_in(user), store.client.run

    def run(names, operation, *arguments):
        if operation in {"remember", "entries"}:
            raise StoreUnavailable("down")
        return real(names, operation, *arguments)

    monkeypatch.setattr(store.client, "run", run)
    assert Visit(key).user == user
    user.email = "new@example.org"
    user.save(update_fields=["email"])
    assert Visit(key).user.email == "new@example.org"


def test_without_the_setting_nothing_is_kept(store, user, settings):
    settings.SESSIONKEEPER = {}
    key = sign_in(user)
    assert [statements(key) for _ in range(2)] == [["SELECT"], ["SELECT"]]
    assert kept(store, key) is None


def test_the_near_cache_takes_a_kept_user_too(key, store, user, monkeypatch):
    made = near(store)
    monkeypatch.setattr(factory, "_open", lambda url: made)
    assert statements(key) == []
    assert made.recall(keys.parse(key).id) is not None
    visited = Visit(key).user
    assert (visited, visited.get_deferred_fields()) == (user, {"password"})
    user.email = "new@example.org"
    user.save()
    assert Visit(key).user.email == "new@example.org"


@pytest.mark.parametrize(
    "value",
    [
        "x", "é\0\ud800", 5, 2**70, True, None, 0.1, b"\0\xff", UUID(int=5), Decimal("1.10"),
        date(2026, 1, 2), time(1, 2, 3, 4), timedelta(days=-1, microseconds=3),
        datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - as under USE_TZ = False
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC), {"a": [1, None]}, [], ["at", 1],
    ],
)  # fmt: skip
def test_a_value_comes_back_as_it_was(value):
    opened = user_cache._parse(json.loads(json.dumps(user_cache._dump(value))))
    assert (opened, type(opened), getattr(opened, "tzinfo", None)) == (
        value,
        type(value),
        getattr(value, "tzinfo", None),
    )


class Text(str):
    """A text of the project's own."""

    __slots__ = ()


@pytest.mark.parametrize("value", [Text("x"), {1: 2}, (1,), object(), [object()], {"a": (1,)}])
def test_a_value_that_would_not_come_back_is_not_kept(value):
    with pytest.raises(TypeError):
        user_cache._dump(value)
