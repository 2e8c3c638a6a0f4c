"""``request.user``, over our sessions and over Django's."""

from __future__ import annotations

import pytest
from django.contrib import auth
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpResponse
from django.test import RequestFactory

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.unit.middleware.test_session"),
]


def test_our_authentication_works_over_djangos_session_middleware(make_user):
    user = make_user()
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    request = RequestFactory().get("/", headers={"cookie": f"sessionid={session.session_key}"})
    view = DjangoSessionMiddleware(
        AuthenticationMiddleware(lambda request: HttpResponse(str(request.user.pk)))
    )
    assert view(request).text == str(user.pk)


def test_the_classes_are_djangos_to_whoever_asks():
    assert issubclass(SessionMiddleware, DjangoSessionMiddleware)
    assert issubclass(AuthenticationMiddleware, auth.middleware.AuthenticationMiddleware)
