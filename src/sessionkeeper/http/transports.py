"""How a session key travels: in the cookie that ``SESSION_COOKIE_NAME`` names, or as a bearer token.

A session has one transport. Neither opens sessions of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http.cookie import parse_cookie
from django.utils.cache import patch_vary_headers

from sessionkeeper.core.keys import BEARER_PREFIX
from sessionkeeper.core.records import BEARER, COOKIE
from sessionkeeper.http import cookies

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class Cookie:
    """Browsers. Name, path, domain and flags are Django's ``SESSION_COOKIE_*`` settings, and what is ours."""

    name = COOKIE

    @staticmethod
    def read(request: HttpRequest) -> str | None:
        """Return what the client presented, whatever it is."""
        return request.COOKIES.get(settings.SESSION_COOKIE_NAME)

    @staticmethod
    def other_cookies(request: HttpRequest) -> tuple[str, ...]:
        """Return other values of this cookie: another host of the domain may have set one."""
        name, header = settings.SESSION_COOKIE_NAME, request.META.get("HTTP_COOKIE", "")
        if header.count(f"{name}=") < 2:  # noqa: PLR2004 - one is none too many
            return ()
        values = [parse_cookie(part).get(name) for part in header.split(";")]
        ours = request.COOKIES.get(name)
        return tuple(dict.fromkeys(value for value in values if value not in {None, ours}))

    @staticmethod
    def write(response: HttpResponseBase, key: str, max_age: int | None) -> None:
        """Hand out the key for ``max_age`` seconds; None: until the browser closes."""
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            key,
            max_age=max_age,
            domain=cookies.domain(),
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE or False,
            httponly=settings.SESSION_COOKIE_HTTPONLY or False,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
        cookies.partition(response, settings.SESSION_COOKIE_NAME)

    @staticmethod
    def clear(response: HttpResponseBase) -> None:
        """Tell the client to forget its key."""
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=cookies.domain(),
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
        cookies.partition(response, settings.SESSION_COOKIE_NAME)

    @staticmethod
    def vary(response: HttpResponseBase) -> None:
        """Tell caches that the answer depends on the cookie."""
        _vary(response, "Cookie")


class Bearer:
    """What is not a browser: ``Authorization: Bearer sess_…`` (RFC 6750), and nowhere else.

    Never the query string, which ends up in logs and histories, nor the body. Other tokens of the scheme
    (JWTs and the like) belong to others and are left alone.
    """

    name = BEARER

    @staticmethod
    def read(request: HttpRequest) -> str | None:
        """Return the token that the client presented, well-formed or not; None without one of ours."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        token = token.strip(" ")
        return token if scheme.lower() == "bearer" and token.startswith(BEARER_PREFIX) else None

    @staticmethod
    def vary(response: HttpResponseBase) -> None:
        """Tell caches that the answer depends on the header."""
        _vary(response, "Authorization")


def _vary(response: HttpResponseBase, header: str) -> None:
    if "Vary" in response.headers:
        patch_vary_headers(response, (header,))
    else:
        response.headers["Vary"] = header
