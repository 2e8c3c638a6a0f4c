"""Who a session authenticates, and when Django's backends are asked instead of the join."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.db import connection, models
from django.db.models.functions import Now
from django.utils import timezone

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.conftest import new_user
from tests.stores import is_postgresql, sqlite_file
from tests.unit.middleware.visiting import Visit, session_of

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=["sync", "async"])
def flavour(request):
    """Sync or async."""
    return request.param


# The stock backend


def test_the_user_comes_with_the_session(make_user, flavour):
    user = make_user()
    key = session_of(user)
    Visit(key, flavour)
    visit = Visit(key, flavour)
    assert visit.user == user
    assert visit.statements == ["SELECT"]


def test_the_joined_user_is_like_one_that_the_orm_loads(make_user):
    user = make_user()
    user.last_login = user.last_login or timezone.now()
    user.save()
    visited = Visit(session_of(user)).user
    loaded = auth.get_user_model()._default_manager.get(pk=user.pk)
    for field in loaded._meta.concrete_fields:
        assert getattr(visited, field.attname) == getattr(loaded, field.attname), field
        assert type(getattr(visited, field.attname)) is type(getattr(loaded, field.attname))
    assert visited._state.db == "default"
    assert visited._state.adding is False
    assert visited.backend if hasattr(loaded, "backend") else True
    visited.save()


@pytest.mark.rule("R15")
@pytest.mark.parametrize("how", ["disabled", "deleted", "password"])
def test_a_user_who_changed_behind_djangos_back_is_refused_and_the_session_ends(make_user, flavour, how):
    user = make_user()
    rows = type(user)._base_manager.filter(pk=user.pk)
    key = session_of(user)
    if how == "disabled":
        rows.update(is_active=False)
    elif how == "deleted":
        rows._raw_delete("default")
    else:
        rows.update(password="another")
    visit = Visit(key, flavour)
    assert not visit.user.is_authenticated
    assert not Session.objects.exists()
    assert visit.response.cookies["sessionid"]["max-age"] == 0
    rows.update(is_active=True)
    assert not Visit(key, flavour).user.is_authenticated


@pytest.mark.rule("R15")
@pytest.mark.parametrize("change", ["disable", "delete", "password", "unusable"])
def test_a_changed_user_ends_all_sessions_for_good(make_user, change):
    user, other = make_user(), make_user()
    keys = [session_of(user), session_of(user)]
    spared = session_of(other)
    if change == "disable":
        user.is_active = False
        user.save()
        user.is_active = True
        user.save()
    elif change == "delete":
        user.delete()
    elif change == "password":
        user.set_password("new")
        user.save()
    else:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    assert not any(Visit(key).user.is_authenticated for key in keys)
    assert Visit(spared).user == other
    assert Session.objects.count() == 1


def test_saving_a_user_without_such_a_change_ends_nothing(make_user):
    user = make_user()
    key = session_of(user)
    user.email = "new@example.org"
    user.save()
    assert Visit(key).user == user


def test_a_signed_out_visitor_costs_no_user_query(flavour):
    session = SessionStore()
    session["a"] = 1
    session.save()
    visit = Visit(session.session_key, flavour)
    assert not visit.user.is_authenticated
    assert visit.statements == ["SELECT"]


@pytest.mark.parametrize("value", ["", "nobody", 10**40, None, [], {"a": 1}])
def test_a_session_that_names_no_user_signs_nobody_in(make_user, flavour, value):
    key = session_of(make_user())
    session = SessionStore(key)
    session._session[auth.SESSION_KEY] = value
    session.save()
    assert not Visit(session.session_key, flavour).user.is_authenticated


def test_data_that_names_another_user_than_the_column_is_believed_after_asking(make_user, flavour):
    user, other = make_user(), make_user()
    key = session_of(other)
    Session.objects.update(user=user)
    visit = Visit(key, flavour)
    assert visit.user == other
    assert visit.statements[:2] == ["SELECT", "SELECT"]


# Backends


class OwnGetUser(ModelBackend):
    """A backend that looks users up in its own way."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        if user is not None:
            user.found_by = "own"
        return user

    async def aget_user(self, user_id):
        return await sync_to_async(self.get_user)(user_id)


class OwnAsyncGetUser(ModelBackend):
    """A backend that overrides the async form only."""

    async def aget_user(self, user_id):
        user = await super().aget_user(user_id)
        user.found_by = "own"
        return user


class Subclass(ModelBackend):
    """A backend that overrides nothing that matters here."""

    def authenticate(self, request, **credentials):
        return None


class Choosy(ModelBackend):
    """A backend that lets nobody in today."""

    def user_can_authenticate(self, user):
        return False


def use(settings, backend):
    """Make this class the only backend and return its path."""
    path = f"{__name__}.{backend.__name__}"
    settings.AUTHENTICATION_BACKENDS = [path]
    return path


def test_a_backend_with_its_own_get_user_is_asked(make_user, flavour, settings):
    user = make_user()
    visit = Visit(session_of(user, use(settings, OwnGetUser)), flavour)
    assert visit.user == user
    assert visit.user.found_by == "own"
    assert visit.statements == ["SELECT", "SELECT"]


def test_a_backend_with_its_own_aget_user_is_asked(make_user, settings):
    user = make_user()
    visit = Visit(session_of(user, use(settings, OwnAsyncGetUser)), "async")
    assert (visit.user, visit.user.found_by) == (user, "own")


def test_a_backend_that_inherits_the_look_up_is_not_asked(make_user, flavour, settings):
    user = make_user()
    key = session_of(user, use(settings, Subclass))
    Visit(key, flavour)
    visit = Visit(key, flavour)
    assert visit.user == user
    assert visit.statements == ["SELECT"]


def test_a_backend_may_refuse_a_user_without_ending_the_session(make_user, flavour, settings):
    key = session_of(make_user(), use(settings, Choosy))
    assert not Visit(key, flavour).user.is_authenticated
    assert Session.objects.count() == 1


def test_a_backend_that_lets_disabled_users_in_is_honoured(make_user, flavour, settings):
    path = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    settings.AUTHENTICATION_BACKENDS = [path]
    user = make_user()
    key = session_of(user, path)
    type(user)._base_manager.filter(pk=user.pk).update(is_active=False)
    assert Visit(key, flavour).user == user


@pytest.mark.parametrize(
    "backend", ["no.such.Backend", "", None, 5, ["django.contrib.auth.backends.ModelBackend"]]
)
def test_a_session_of_a_backend_that_is_not_configured_is_refused(make_user, flavour, backend):
    assert not Visit(session_of(make_user(), backend), flavour).user.is_authenticated


# Hashes


@pytest.mark.rule("R47")
@pytest.mark.parametrize("kind", [Subclass, OwnGetUser, OwnAsyncGetUser])
def test_a_session_from_before_a_new_secret_key_gets_another_hash_and_keeps_its_key(
    make_user, flavour, settings, kind
):
    user = make_user()
    key = session_of(user, use(settings, kind), kept="yes")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new"
    visit = Visit(key, flavour)
    assert visit.user == user
    assert visit.session.session_key == key
    assert "sessionid" not in visit.response.cookies
    assert visit.statements.count("UPDATE") == 1
    settings.SECRET_KEY_FALLBACKS = []
    visit = Visit(key, flavour)
    assert visit.user == user
    assert visit.session["kept"] == "yes"
    assert "UPDATE" not in visit.statements


@pytest.mark.rule("R47")
def test_an_outage_keeps_the_hash_of_a_former_secret_key_for_the_next_request(
    make_user, flavour, settings, monkeypatch
):
    user = make_user()
    key = session_of(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new"
    with monkeypatch.context() as patch:
        patch.setattr(DatabaseStore, "merge", _out_of_order)
        visit = Visit(key, flavour)
    assert (visit.user, visit.response.status_code) == (user, 200)
    Visit(key, flavour)
    settings.SECRET_KEY_FALLBACKS = []
    assert Visit(key, flavour).user == user


def _out_of_order(*args):
    raise StoreUnavailable


def test_a_session_from_before_a_new_secret_key_without_fallback_ends(make_user, flavour, settings):
    key = session_of(make_user())
    settings.SECRET_KEY = "new"
    assert not Visit(key, flavour).user.is_authenticated
    assert not Session.objects.exists()


@pytest.mark.parametrize("stored", [None, "", "x", 5, [], {"a": 1}, "é", "\ud800"])
def test_a_session_with_another_hash_is_refused(make_user, flavour, stored):
    key = session_of(make_user(), **{auth.HASH_SESSION_KEY: stored})
    assert not Visit(key, flavour).user.is_authenticated


# Managers


@contextmanager
def managed_by(manager):
    """Let the user model have this manager."""
    model = auth.get_user_model()
    manager.model, manager.name = model, "objects"
    before = model._meta.__dict__.get("default_manager")
    model._meta.__dict__["default_manager"] = manager
    try:
        yield
    finally:
        del model._meta.__dict__["default_manager"]
        if before is not None:
            model._meta.__dict__["default_manager"] = before


class ActiveManager(models.Manager):
    """Hides the disabled."""

    def get_queryset(self):
        return super().get_queryset().filter(is_active=True)


tenant = ContextVar("tenant", default="")


class TenantManager(models.Manager):
    """Shows the users of one tenant; the password stands for it here."""

    def get_queryset(self):
        return super().get_queryset().filter(email__endswith=tenant.get())


class Annotating(models.Manager):
    """Adds a column."""

    def get_queryset(self):
        return super().get_queryset().annotate(extra=models.Value(5))


class SometimesAnnotating(models.Manager):
    """Adds a column for one tenant."""

    def get_queryset(self):
        found = super().get_queryset()
        return found.annotate(extra=models.Value(5)) if tenant.get() == "annotate" else found


class Deferring(models.Manager):
    """Leaves columns for later."""

    def get_queryset(self):
        return super().get_queryset().defer("email")


class SometimesDeferring(models.Manager):
    """Leaves columns for later in one context."""

    def get_queryset(self):
        found = super().get_queryset()
        return found.defer("email") if tenant.get() == "defer" else found


class Nothing(models.Manager):
    """Hides everybody."""

    def get_queryset(self):
        return super().get_queryset().none()


class Joining(models.Manager):
    """Filters across a relation, which makes rows appear twice."""

    def get_queryset(self):
        return super().get_queryset().filter(groups__name__startswith="g")


class Distinct(models.Manager):
    """Asks for distinct rows."""

    def get_queryset(self):
        return super().get_queryset().distinct()


class Sliced(models.Manager):
    """Compares with the time of the statement."""

    def get_queryset(self):
        return (
            super().get_queryset().filter(models.Q(last_login__isnull=True) | models.Q(last_login__lt=Now()))
        )


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
        for _ in range(3):
            for name in ("@one.example", "@two.example", "@three.example"):
                token = tenant.set(name)
                seen = [Visit(key, flavour).user for key in keys]
                tenant.reset(token)
                assert [user.is_authenticated for user in seen] == [
                    name == "@one.example",
                    name == "@two.example",
                ]
    assert Session.objects.count() == 2


@pytest.mark.parametrize(
    "manager", [Annotating, Deferring, Joining, Distinct, Sliced, SometimesAnnotating, SometimesDeferring]
)
def test_every_manager_finds_the_user_as_it_does_for_django(make_user, flavour, manager):
    user = make_user()
    if hasattr(user, "groups"):
        user.groups.create(name="g1")
        user.groups.create(name="g2")
    key = session_of(user)
    with managed_by(manager()):
        for context in ("", "annotate", "", "defer", "annotate", ""):
            token = tenant.set(context)
            found = Visit(key, flavour).user
            tenant.reset(token)
            assert found == user
            if manager is Annotating or (manager is SometimesAnnotating and context == "annotate"):
                assert found.extra == 5
            if manager is Deferring or (manager is SometimesDeferring and context == "defer"):
                assert found.get_deferred_fields() == {"email"}
            elif manager is SometimesDeferring:
                assert not found.get_deferred_fields()
            assert found.email == user.email


def test_a_manager_that_hides_everybody_lets_nobody_in_and_ends_nothing(make_user, flavour):
    key = session_of(make_user())
    with managed_by(Nothing()):
        assert not Visit(key, flavour).user.is_authenticated
    assert Visit(key, flavour).user.is_authenticated


# Databases


class UsersElsewhere:
    """Routes users to a database of their own."""

    def _route(self, model):
        return "users" if model is auth.get_user_model() else None

    def db_for_read(self, model, **hints):
        return self._route(model)

    db_for_write = db_for_read


@pytest.mark.usefixtures("any_database")
def test_users_in_another_database_are_asked_for_there(tmp_path, flavour, settings):
    with sqlite_file("users", tmp_path / "users.sqlite3"):
        settings.DATABASE_ROUTERS = [UsersElsewhere()]
        user = new_user()
        assert user._state.db == "users"
        key = session_of(user)
        visit = Visit(key, flavour)
        assert visit.user == user
        assert visit.statements == ["SELECT"]
        assert Visit(key, flavour, alias="users").statements == ["SELECT"]
        user.delete()
        assert not Visit(key, flavour).user.is_authenticated
        assert not Session.objects.exists()


@pytest.mark.usefixtures("any_database")
def test_a_session_of_a_disabled_user_in_another_database_ends(tmp_path, flavour, settings):
    with sqlite_file("users", tmp_path / "users.sqlite3"):
        settings.DATABASE_ROUTERS = [UsersElsewhere()]
        user = new_user()
        key = session_of(user)
        auth.get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        assert not Visit(key, flavour).user.is_authenticated
        assert not Session.objects.exists()


@pytest.mark.usefixtures("any_database")
def test_sessions_in_another_database_than_users_work_too(tmp_path, flavour, settings):
    user = new_user()
    with sqlite_file("sessions", tmp_path / "sessions.sqlite3"):
        settings.SESSIONKEEPER = {"STORE": "database:sessions"}
        key = session_of(user)
        assert Visit(key, flavour).user == user
        assert Visit(key, flavour, alias="sessions").statements == ["SELECT"]
        assert Session.objects.count() == 0
    assert connection.vendor == ("postgresql" if is_postgresql() else "sqlite")
