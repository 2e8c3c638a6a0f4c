"""Nothing of ours raises in other people's code: in a save, a sign-in, a change of settings, a signal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth import authenticate, get_user, get_user_model, login, logout
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.contrib.sessions.models import Session as StockSession
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.db import connection
from django.db.models.signals import post_save
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from sessionkeeper.audit import trail
from sessionkeeper.auth import attempts, lockout, unlocking
from sessionkeeper.core import context
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import history, registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent, LoginAttempt
from tests import contents
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

DJANGOS = "django.contrib.auth.backends.ModelBackend"
BACKENDS = {
    "django": [DJANGOS],
    "ours": ["sessionkeeper.backends.ModelBackend"],
    "both": ["sessionkeeper.backends.LockoutBackend", DJANGOS],
}
MIDDLEWARE = {
    "ours": [
        "sessionkeeper.middleware.SessionMiddleware",
        "sessionkeeper.middleware.AuthenticationMiddleware",
    ],
    "django": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
}


def who(request):
    return HttpResponse(str(request.user))


urlpatterns = [path("who/", who)]


# What is no try


@pytest.mark.parametrize("backends", BACKENDS)
@pytest.mark.parametrize("given", [{}, {"username": "alice"}, {"password": "x"}, {"token": "x"}])
def test_without_a_name_or_a_password_nothing_is_asked_counted_or_recorded(
    settings, backends, given, django_assert_num_queries
):
    settings.AUTHENTICATION_BACKENDS = BACKENDS[backends]
    with django_assert_num_queries(0):
        assert authenticate(RequestFactory().get("/"), **given) is None
    assert not LoginAttempt.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("backends", ["ours", "both"])
@pytest.mark.parametrize("counts", [True, False])
def test_a_password_that_is_none_is_no_try_and_the_next_one_is(settings, backends, counts):
    settings.AUTHENTICATION_BACKENDS = BACKENDS[backends]
    settings.SESSIONKEEPER = {"LOCKOUT": counts}
    request = RequestFactory().get("/")
    for _ in range(2):
        assert authenticate(request, username="alice", password=None) is None
    assert not LoginAttempt.objects.exists()
    assert not AuditEvent.objects.exists()
    assert authenticate(request, username="alice", password="wrong") is None
    assert LoginAttempt.objects.filter(failures=1).exists() is counts
    assert AuditEvent.objects.count() == 1


# Requests of any kind

REQUESTS = {
    "none": lambda: None,
    "object": object,
    "empty": HttpRequest,
    "session of another engine": lambda: SimpleNamespace(META={}, session=SignedCookies()),
    "session of ours": lambda: SimpleNamespace(session=SessionStore()),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("backends", BACKENDS)
def test_any_request_may_be_authenticated(make_user, settings, kind, backends):
    settings.AUTHENTICATION_BACKENDS = BACKENDS[backends]
    user = make_user()
    given = {"username": user.get_username()}
    assert authenticate(REQUESTS[kind](), **given, password="wrong") is None
    assert authenticate(REQUESTS[kind](), **given, password=PASSWORD) == user
    assert AuditEvent.objects.get().kind == "refused"


@pytest.mark.parametrize("kind", REQUESTS)
def test_any_request_may_come_with_a_signal(make_user, kind):
    user = make_user()
    for signal in (user_logged_in, user_logged_out):
        signal.send(sender=type(user), request=REQUESTS[kind](), user=user)
    user_login_failed.send(
        sender=__name__, credentials={"username": "x", "password": "***"}, request=REQUESTS[kind]()
    )
    assert AuditEvent.objects.get().kind == "refused"


def test_a_user_without_a_name_may_be_told_of():
    user_logged_in.send(
        sender=object,
        request=REQUESTS["session of ours"](),
        user=SimpleNamespace(pk=1, save=lambda **_: None),
    )
    assert attempts.signed_in.get()[0].accounts


# A setting that is broken


@pytest.mark.parametrize("name", ["nowhere.Nobody", "auth.Nobody", "badsetting"])
def test_a_user_model_that_is_not_there_breaks_nothing_of_others(make_user, settings, name):
    user, key = make_user(), _signed_in_key()
    settings.AUTH_USER_MODEL = name
    user.set_password("another")
    user.save()
    other = SessionStore(key)
    other["a"] = 1
    other.save()
    user_login_failed.send(sender=__name__, credentials={"username": "x", "password": "***"})
    other.flush()
    user.delete()
    assert registry.list_for(1) == []
    assert registry.revoke_all(1) == 0
    assert not contents.count()


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("middleware", MIDDLEWARE)
def test_who_asks_for_a_user_is_told_of_a_user_model_that_is_not_there(make_user, settings, middleware):
    settings.MIDDLEWARE = MIDDLEWARE[middleware]
    client = Client()
    client.force_login(make_user())
    settings.AUTH_USER_MODEL = "nowhere.Nobody"
    with pytest.raises(ImproperlyConfigured, match="AUTH_USER_MODEL refers to model"):
        client.get("/who/")


@pytest.mark.parametrize("engine", ["nowhere.engine", "tests.other_users"])
def test_an_engine_that_is_not_there_keeps_no_user_from_being_saved(make_user, settings, engine):
    user = make_user()
    settings.SESSION_ENGINE = engine
    user.set_password("another")
    user.save()
    user.delete()
    assert not get_user_model().objects.exists()


def _signed_in_key():
    """Return the key of a session that names a user."""
    session = SessionStore()
    session.update({"_auth_user_id": "1", "_auth_user_backend": DJANGOS, "_auth_user_hash": ""})
    session.save()
    return session.session_key


# Users whose keys fit no column


@pytest.fixture(params=["ByUUID", "ByTwo"])
def strangers(request, transactional_db, settings):
    """A user model with another kind of key, in force."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.other_users"]
    model = apps.get_model("other_users", request.param)
    with connection.schema_editor() as editor:
        editor.create_model(model)
    settings.AUTH_USER_MODEL = f"other_users.{request.param}"
    yield model
    settings.AUTH_USER_MODEL = "auth.User"
    with connection.schema_editor() as editor:
        editor.delete_model(model)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("middleware", MIDDLEWARE)
def test_a_user_who_fits_no_column_is_served_as_django_does(strangers, settings, caplog, middleware):
    settings.MIDDLEWARE = MIDDLEWARE[middleware]
    user = strangers.objects.create_user("x@example.org", PASSWORD)
    one, two = Client(), Client()
    assert all(client.login(email="x@example.org", password=PASSWORD) for client in (one, two))
    assert one.get("/who/").content == two.get("/who/").content == b"x@example.org"
    assert {record.user_id for record in contents.records()} == {None}
    assert (registry.list_for(user), history.history_for(user)) == ([], [])

    user.set_password("another-password")
    user.save()
    assert one.get("/who/").content == b"AnonymousUser"
    assert one.login(email="x@example.org", password="another-password")
    one.logout()
    assert one.get("/who/").content == b"AnonymousUser"
    assert two.login(email="x@example.org", password="another-password")
    user.delete()
    assert two.get("/who/").content == b"AnonymousUser"
    assert not caplog.records


@pytest.mark.parametrize("backends", BACKENDS)
def test_guesses_at_a_user_who_fits_no_column_are_counted(strangers, settings, backends):
    settings.AUTHENTICATION_BACKENDS = BACKENDS[backends]
    user = strangers.objects.create_user("x@example.org", PASSWORD)
    for _ in range(6):
        assert authenticate(None, email="x@example.org", password="wrong") is None
    assert unlocking.unlock_user(user, reason="code")
    rows = AuditEvent.objects.values_list("kind", "user_id").distinct()
    assert {"refused", "locked_out", "unlocked"} <= {kind for kind, _ in rows}
    assert {user_id for _, user_id in rows} == {None}
    assert not trail.rows_of(user.pk).exists()


def test_a_sign_in_beside_the_middleware_works_for_a_user_who_fits_no_column(strangers):
    user = strangers.objects.create_user("x@example.org", PASSWORD)
    request = RequestFactory().get("/")
    request.session = SessionStore()
    login(request, user, backend=DJANGOS)
    request.session.save()
    again = RequestFactory().get("/")
    again.session = SessionStore(request.session.session_key)
    assert get_user(again) == user
    logout(again)
    assert not contents.count()


# The end of a request


def test_an_outage_at_the_end_of_a_request_raises_nothing(make_user, monkeypatch, caplog):
    def fail(*args):
        raise StoreUnavailable

    context.begin()
    lockout.begin(None, {"username": "alice", "password": "x"})
    monkeypatch.setattr(lockout, "settle", fail)
    request_finished.send(sender=__name__)
    assert "could not be corrected" in caplog.text
    assert lockout.under_way.get() is None


def test_a_model_that_was_the_user_model_is_left_alone_afterwards(settings):
    before = settings.AUTH_USER_MODEL
    settings.AUTH_USER_MODEL = "sessions.Session"
    assert post_save.has_listeners(StockSession)
    settings.AUTH_USER_MODEL = before
    assert not post_save.has_listeners(StockSession)
