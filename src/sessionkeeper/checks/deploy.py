"""What a site on the internet needs: cookies that only HTTPS carries. Run by ``check --deploy``.

Django has checks for some of these, which look for its own middleware and application by name, and so stay
silent where ours are used. These look at what the cookies will be.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.middleware.security import SecurityMiddleware

from sessionkeeper import conf
from sessionkeeper.checks.middleware import entries

HOST_PREFIX = "__Host-"


def check_cookies() -> Iterator[CheckMessage]:
    """Report cookies that are sent too far."""
    if not settings.SESSION_COOKIE_SECURE:
        yield Warning(
            "SESSION_COOKIE_SECURE is off: the session key also travels over plain HTTP.",
            hint="Set SESSION_COOKIE_SECURE = True.",
            id="sessionkeeper.W030",
        )
    if not settings.SESSION_COOKIE_HTTPONLY:
        yield Warning(
            "SESSION_COOKIE_HTTPONLY is off: any script in a page can read the session key.",
            hint="Set SESSION_COOKIE_HTTPONLY = True.",
            id="sessionkeeper.W031",
        )
    same_site = settings.SESSION_COOKIE_SAMESITE
    strict = isinstance(same_site, str) and same_site.lower() in {"lax", "strict"}
    if not strict and not conf.current().cookie_partitioned:
        yield Warning(
            f"SESSION_COOKIE_SAMESITE is {same_site!r}: other sites' requests carry the session key.",
            hint="Set SESSION_COOKIE_SAMESITE = 'Lax', or 'Strict'.",
            id="sessionkeeper.W032",
        )
    name = settings.SESSION_COOKIE_NAME
    if not str(name).startswith(HOST_PREFIX):
        yield Warning(
            f"The session cookie {name!r} has no {HOST_PREFIX!r} prefix: another host under the same domain "
            "can set it.",
            hint=f"Set SESSION_COOKIE_NAME = '{HOST_PREFIX}sessionid', SESSION_COOKIE_SECURE = True, and "
            "leave SESSION_COOKIE_DOMAIN unset. Everybody signs in once more.",
            id="sessionkeeper.W033",
        )
    if not settings.CSRF_COOKIE_SECURE and not settings.CSRF_USE_SESSIONS:
        yield Warning(
            "CSRF_COOKIE_SECURE is off: the CSRF cookie also travels over plain HTTP.",
            hint="Set CSRF_COOKIE_SECURE = True.",
            id="sessionkeeper.W034",
        )


def check_https() -> Iterator[CheckMessage]:
    """Report a site that can be used without HTTPS."""
    works = bool(entries(SecurityMiddleware))
    missing = "" if works else " and add 'django.middleware.security.SecurityMiddleware' to MIDDLEWARE"
    if not (works and settings.SECURE_SSL_REDIRECT):
        yield Warning(
            "Plain HTTP is not redirected to HTTPS.",
            hint=f"Set SECURE_SSL_REDIRECT = True{missing}. Silence this if a proxy redirects.",
            id="sessionkeeper.W035",
        )
    if not (works and settings.SECURE_HSTS_SECONDS):
        yield Warning(
            "No Strict-Transport-Security is sent: a browser's first request may be plain HTTP every time.",
            hint=f"Set SECURE_HSTS_SECONDS, at first to 3600{missing}. Silence this if a proxy sends it.",
            id="sessionkeeper.W036",
        )
