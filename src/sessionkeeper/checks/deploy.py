"""What a site on the internet needs: cookies that only HTTPS carries. Run by ``check --deploy``.

Django's checks for some of these look for Django's own middleware and application by name, and say nothing
where ours are used.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.middleware.security import SecurityMiddleware

from sessionkeeper import conf
from sessionkeeper.checks.cookies import HOST_PREFIX
from sessionkeeper.checks.middleware import entries
from sessionkeeper.core.check_ids import CheckId


def check_cookies() -> Iterator[checks.CheckMessage]:
    """Report cookies that are sent too far."""
    for name, otherwise, check_id in (
        ("SESSION_COOKIE_SECURE", "The session key is also sent over plain HTTP", CheckId.COOKIE_NOT_SECURE),
        ("SESSION_COOKIE_HTTPONLY", "Scripts in a page can read the session key", CheckId.COOKIE_READABLE),
        (
            "CSRF_COOKIE_SECURE",
            "The CSRF cookie is also sent over plain HTTP",
            CheckId.CSRF_COOKIE_NOT_SECURE,
        ),
    ):
        if not getattr(settings, name) and not (name.startswith("CSRF") and settings.CSRF_USE_SESSIONS):
            yield checks.Warning(
                f"{name} is not set to True. {otherwise}.", hint=f"Set {name} = True.", id=check_id
            )
    same_site = settings.SESSION_COOKIE_SAMESITE
    strict = isinstance(same_site, str) and same_site.lower() in {"lax", "strict"}
    if not strict and not conf.current().cookie_partitioned:
        yield checks.Warning(
            f"SESSION_COOKIE_SAMESITE is {same_site!r}. Requests from other sites carry the session key.",
            hint="Set SESSION_COOKIE_SAMESITE = 'Lax' or 'Strict'.",
            id=CheckId.COOKIE_SENT_ACROSS_SITES,
        )
    name = settings.SESSION_COOKIE_NAME
    if not str(name).startswith(HOST_PREFIX):
        yield checks.Warning(
            f"SESSION_COOKIE_NAME, {name!r}, has no {HOST_PREFIX!r} prefix. Another host of the same domain "
            "can set such a cookie.",
            hint=f"Set SESSION_COOKIE_NAME = '{HOST_PREFIX}sessionid' and SESSION_COOKIE_SECURE = True, and "
            "leave SESSION_COOKIE_DOMAIN unset. All users have to sign in once more.",
            id=CheckId.COOKIE_WITHOUT_PREFIX,
        )


def check_https() -> Iterator[checks.CheckMessage]:
    """Report a site that can be used without HTTPS."""
    works = bool(entries(SecurityMiddleware))
    missing = "" if works else " and add 'django.middleware.security.SecurityMiddleware' to MIDDLEWARE"
    if not (works and settings.SECURE_SSL_REDIRECT):
        yield checks.Warning(
            "Django does not redirect plain HTTP to HTTPS.",
            hint=f"Set SECURE_SSL_REDIRECT = True{missing}. If a proxy redirects, silence this check.",
            id=CheckId.HTTP_NOT_REDIRECTED,
        )
    if not (works and settings.SECURE_HSTS_SECONDS):
        yield checks.Warning(
            "Django does not send Strict-Transport-Security. The first request of a browser may use plain "
            "HTTP.",
            hint=f"Set SECURE_HSTS_SECONDS, to 3600 at first{missing}. If a proxy sends it, silence this "
            "check.",
            id=CheckId.NO_HSTS,
        )
