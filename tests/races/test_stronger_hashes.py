"""A sign-in that hashes the password anew, while others sign in, use sessions or change the password."""

from __future__ import annotations

from contextvars import copy_context

import pytest
from django.contrib import auth
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, make_password
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper import flows
from sessionkeeper.core.errors import InvalidCredentials
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD
from tests.unit.middleware.visiting import session_of

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]

OURS, DJANGOS = "sessionkeeper.backends.ModelBackend", "django.contrib.auth.backends.ModelBackend"


class Stronger(PBKDF2PasswordHasher):
    """Hashes a password, and lets something else happen before that."""

    algorithm = "stronger"
    iterations = 1
    meanwhile = None

    def encode(self, password, salt, iterations=None):
        step, Stronger.meanwhile = Stronger.meanwhile, None
        if step is not None:
            copy_context().run(step)
        return super().encode(password, salt, iterations)


def authenticate_and_login(request):
    user = auth.authenticate(request, username=request.GET["name"], password=PASSWORD)
    if user is None:
        return HttpResponse("refused")
    auth.login(request, user)
    return HttpResponse(str(user.pk))


def log_in(request):
    credentials = {"username": request.GET["name"], "password": PASSWORD}
    try:
        return HttpResponse(str(flows.log_in(request, credentials=credentials).pk))
    except InvalidCredentials:
        return HttpResponse("refused")


def me(request):
    return HttpResponse(str(request.user.pk))


urlpatterns = [path("django/", authenticate_and_login), path("flows/", log_in), path("me/", me)]


@pytest.fixture(params=[(OURS, "/django/"), (OURS, "/flows/"), (DJANGOS, "/flows/")])
def door(request, settings):
    """Where people sign in."""
    backend, where = request.param
    settings.AUTHENTICATION_BACKENDS = [backend]
    return where


@pytest.fixture
def user(make_user, settings, door):
    """A user whose password was hashed some years ago."""
    old, new = f"{__name__}.Stronger", "django.contrib.auth.hashers.MD5PasswordHasher"
    settings.PASSWORD_HASHERS = [old, new]
    user = make_user()
    user.password = make_password(PASSWORD, hasher=MD5PasswordHasher.algorithm)
    user.save()
    return user


@pytest.fixture
def key(user, settings):
    """The key of an earlier session of the user."""
    return session_of(user, settings.AUTHENTICATION_BACKENDS[0])


def signed_in(door, user):
    """Sign in in another browser."""
    client = Client()
    client.answer = client.get(door, {"name": user.get_username()})
    return client


def opens(key):
    """Whether a key opens a session in which somebody is signed in."""
    client = Client()
    client.cookies["sessionid"] = key
    return client.get("/me/").text != "None"


def key_of(client):
    """The key in a cookie."""
    return client.cookies["sessionid"].value


@pytest.mark.rule("R64")
def test_a_stronger_hash_of_the_same_password_ends_no_session(door, user, key):
    client = signed_in(door, user)
    user.refresh_from_db()
    assert user.password.startswith("stronger$")
    assert (opens(key), opens(key_of(client)), contents.count()) == (True, True, 2)
    assert not AuditEvent.objects.filter(kind="revoked").exists()


@pytest.mark.rule("R64")
def test_of_two_sign_ins_that_both_hash_the_password_anew_neither_ends_the_other(door, user, key):
    others = []
    Stronger.meanwhile = lambda: others.append(signed_in(door, user))
    clients = [signed_in(door, user), *others]
    assert len(clients) == 2
    assert [opens(one) for one in (key, *map(key_of, clients))] == [True] * 3


@pytest.mark.rule("R15")
def test_a_password_that_changed_meanwhile_is_not_undone_and_signs_nobody_in(door, user, key):
    def change():
        user.set_password("another password")
        user.save()

    Stronger.meanwhile = change
    client = signed_in(door, user)
    user.refresh_from_db()
    assert client.answer.text == "refused"
    assert user.check_password("another password")
    assert not opens(key)
    assert contents.count() == 0


@pytest.mark.rule("R15")
def test_a_session_with_another_password_is_not_carried_over(door, user, settings):
    before = user.password
    user.password = make_password("an earlier password")
    stale = session_of(user, settings.AUTHENTICATION_BACKENDS[0])
    user.password = before
    signed_in(door, user)
    assert not opens(stale)


@pytest.mark.rule("R12")
def test_a_session_that_has_expired_is_not_revived_by_a_stronger_hash(door, user, key):
    contents.set_back("created_at", "authenticated_at", "last_seen_at", "expires_at", days=40)
    signed_in(door, user)
    assert not opens(key)


@pytest.mark.rule("R47")
def test_a_session_under_a_former_secret_key_is_carried_over_too(door, user, key, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next key"
    signed_in(door, user)
    settings.SECRET_KEY_FALLBACKS = []
    assert opens(key)
