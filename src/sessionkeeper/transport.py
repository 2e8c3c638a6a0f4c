"""How a session key travels. Here: in the cookie that ``SESSION_COOKIE_NAME`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.cache import patch_vary_headers

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class Cookie:
    """Browsers. Name, path, domain and flags are Django's ``SESSION_COOKIE_*`` settings."""

    name = "cookie"

    @staticmethod
    def read(request: HttpRequest) -> str | None:
        """Return what the client presented, whatever it is."""
        return request.COOKIES.get(settings.SESSION_COOKIE_NAME)

    @staticmethod
    def write(response: HttpResponseBase, key: str, max_age: int | None) -> None:
        """Hand out the key for ``max_age`` seconds; None: until the browser closes."""
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            key,
            max_age=max_age,
            domain=settings.SESSION_COOKIE_DOMAIN,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE or False,
            httponly=settings.SESSION_COOKIE_HTTPONLY or False,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )

    @staticmethod
    def clear(response: HttpResponseBase) -> None:
        """Tell the client to forget its key."""
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )

    @staticmethod
    def vary(response: HttpResponseBase) -> None:
        """Tell caches that the answer depends on the cookie."""
        patch_vary_headers(response, ("Cookie",))
