"""What a site on the internet needs: cookies that only HTTPS carries. Run by ``check --deploy``.

Django has checks for some of these, which look for its own middleware and application by name, and so stay
silent where ours are used. These look at what the cookies will be.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004
)
from django.middleware.security import SecurityMiddleware

from sessionkeeper import conf
from sessionkeeper.checks.middleware import entries
from sessionkeeper.core.check_ids import CheckId

HOST_PREFIX = "__Host-"


def check_cookies() -> Iterator[CheckMessage]:
    """Report cookies that are sent too far."""
    if not settings.SESSION_COOKIE_SECURE:
        yield Warning(
            "SESSION_COOKIE_SECURE is off: the session key also travels over plain HTTP.",
            hint="Set SESSION_COOKIE_SECURE = True.",
            id=CheckId.COOKIE_NOT_SECURE,
        )
    if not settings.SESSION_COOKIE_HTTPONLY:
        yield Warning(
            "SESSION_COOKIE_HTTPONLY is off: any script in a page can read the session key.",
            hint="Set SESSION_COOKIE_HTTPONLY = True.",
            id=CheckId.COOKIE_READABLE,
        )
    same_site = settings.SESSION_COOKIE_SAMESITE
    strict = isinstance(same_site, str) and same_site.lower() in {"lax", "strict"}
    if not strict and not conf.current().cookie_partitioned:
        yield Warning(
            f"SESSION_COOKIE_SAMESITE is {same_site!r}: other sites' requests carry the session key.",
            hint="Set SESSION_COOKIE_SAMESITE = 'Lax', or 'Strict'.",
            id=CheckId.COOKIE_SENT_ACROSS_SITES,
        )
    name = settings.SESSION_COOKIE_NAME
    if not str(name).startswith(HOST_PREFIX):
        yield Warning(
            f"SESSION_COOKIE_NAME = {name!r} has no {HOST_PREFIX!r} prefix: another host under the same "
            "domain can set such a cookie.",
            hint=f"Set SESSION_COOKIE_NAME = '{HOST_PREFIX}sessionid', SESSION_COOKIE_SECURE = True, and "
            "leave SESSION_COOKIE_DOMAIN unset. Everybody signs in once more.",
            id=CheckId.COOKIE_WITHOUT_PREFIX,
        )
    if not settings.CSRF_COOKIE_SECURE and not settings.CSRF_USE_SESSIONS:
        yield Warning(
            "CSRF_COOKIE_SECURE is off: the CSRF cookie also travels over plain HTTP.",
            hint="Set CSRF_COOKIE_SECURE = True.",
            id=CheckId.CSRF_COOKIE_NOT_SECURE,
        )


def check_https() -> Iterator[CheckMessage]:
    """Report a site that can be used without HTTPS."""
    works = bool(entries(SecurityMiddleware))
    missing = "" if works else " and add 'django.middleware.security.SecurityMiddleware' to MIDDLEWARE"
    if not (works and settings.SECURE_SSL_REDIRECT):
        yield Warning(
            "Django does not redirect plain HTTP to HTTPS.",
            hint=f"Set SECURE_SSL_REDIRECT = True{missing}. Silence this if a proxy redirects.",
            id=CheckId.HTTP_NOT_REDIRECTED,
        )
    if not (works and settings.SECURE_HSTS_SECONDS):
        yield Warning(
            "Django sends no Strict-Transport-Security: a browser's first request may always be plain HTTP.",
            hint=f"Set SECURE_HSTS_SECONDS, at first to 3600{missing}. Silence this if a proxy sends it.",
            id=CheckId.NO_HSTS,
        )
