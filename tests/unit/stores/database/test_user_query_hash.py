"""The session auth hash is computed once for each hash of a password."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.db import connections
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware
from sessionkeeper.stores.database import user_query

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=["sync", "async"])
def flavour(request):
    """Sync or async."""
    return request.param


def session_of(user, backend="django.contrib.auth.backends.ModelBackend", **data):
    """Return the key of a session in which a user is signed in."""
    session = SessionStore()
    session.update(
        {
            auth.SESSION_KEY: user._meta.pk.value_to_string(user),
            auth.BACKEND_SESSION_KEY: backend,
            auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
            **data,
        }
    )
    session.save()
    return session.session_key


class Visit:
    """One request with a key: who it was, what was asked, what came back."""

    def __init__(self, key, flavour="sync", alias="default"):
        request = RequestFactory().get("/", headers={"cookie": f"sessionid={key}"})
        with CaptureQueriesContext(connections[alias]) as captured:
            self.response = getattr(self, flavour)(request)
        self.session = request.session
        self.statements = [query["sql"].split()[0] for query in captured if "SAVEPOINT" not in query["sql"]]

    def _answer(self, user):
        from django.http import HttpResponse

        self.user = user
        return HttpResponse(str(user.pk))

    def sync(self, request):
        """Go through our middleware, sync."""

        def view(request):
            request.user.is_authenticated  # noqa: B018 - makes it load
            return self._answer(request.user)

        return SessionMiddleware(AuthenticationMiddleware(view))(request)

    def _async(self, request):
        async def view(request):
            return self._answer(await request.auser())

        return async_to_sync(SessionMiddleware(AuthenticationMiddleware(view)))(request)


setattr(Visit, "async", Visit._async)


def test_the_hash_of_a_password_seen_before_is_not_computed_again(make_user, flavour, monkeypatch):
    user = make_user()
    key = session_of(user)
    assert user_query.hash_is_djangos(type(user))  # which computes one, once
    user_query.hash_of_password.cache_clear()
    computed = []
    real = user_query.salted_hmac
    monkeypatch.setattr(
        user_query, "salted_hmac", lambda *args, **kwargs: computed.append(1) or real(*args, **kwargs)
    )
    for _ in range(3):
        assert Visit(key, flavour).user == user
    assert len(computed) == 1


def test_a_hash_of_the_projects_own_is_asked_every_time(make_user, flavour, monkeypatch):
    user = make_user()
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: "own" + str(self.pk))
    key = session_of(user)
    assert Visit(key, flavour).user == user
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: "other")
    assert not Visit(key, flavour).user.is_authenticated
