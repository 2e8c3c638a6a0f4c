"""How a client proves itself, as additions to a WSGI environ."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest


def user() -> Any:
    return get_user_model().objects.get(username="alice")


def none() -> dict[str, str]:
    return {}


def session() -> dict[str, str]:
    return {"HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={new_session().session_key}"}


def new_session() -> Any:
    """Return a stored session in which the benchmark's user has signed in."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    login(request, user(), backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    return request.session


def drf_token() -> dict[str, str]:
    from rest_framework.authtoken.models import Token

    return {"HTTP_AUTHORIZATION": f"Token {Token.objects.get_or_create(user=user())[0].key}"}


def knox() -> dict[str, str]:
    from knox.models import get_token_model

    return {"HTTP_AUTHORIZATION": f"Token {get_token_model().objects.create(user())[1]}"}


def jwt() -> dict[str, str]:
    from datetime import timedelta

    from rest_framework_simplejwt.tokens import AccessToken

    token = AccessToken.for_user(user())
    token.set_exp(lifetime=timedelta(hours=12))
    token["username"] = "alice"
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


BY_NAME = {"none": none, "session": session, "drf_token": drf_token, "knox": knox, "jwt": jwt}
