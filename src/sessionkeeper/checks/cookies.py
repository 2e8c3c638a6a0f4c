"""Cookies that browsers refuse, never send, or send too far."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks

from sessionkeeper import conf
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.core.check_ids import CheckId

HOST_PREFIX = "__Host-"


def check_prefix() -> Iterator[checks.CheckMessage]:
    """Report cookies whose attributes are not those that the prefix of their name requires."""
    for kind in ("SESSION", "CSRF"):
        name = getattr(settings, f"{kind}_COOKIE_NAME")
        if not str(name).startswith(HOST_PREFIX) or (kind == "CSRF" and settings.CSRF_USE_SESSIONS):
            continue
        wrong = [
            f"{kind}_COOKIE_{what} = {fix}"
            for what, fix, fine in (
                ("SECURE", True, bool(getattr(settings, f"{kind}_COOKIE_SECURE"))),
                ("DOMAIN", None, not getattr(settings, f"{kind}_COOKIE_DOMAIN")),
                ("PATH", "'/'", getattr(settings, f"{kind}_COOKIE_PATH") == "/"),
            )
            if not fine
        ]
        if wrong:
            yield checks.Error(
                f"Browsers refuse the cookie {name!r}: its prefix requires Secure, no domain and the path "
                "'/'.",
                hint=f"Set {', '.join(wrong)}, or use a name without the prefix (if the site has no HTTPS).",
                id=CheckId.PREFIX_BROKEN,
            )


def check_partitioned() -> Iterator[checks.CheckMessage]:
    """Report partitioned cookies that browsers refuse, or do not send from inside other sites."""
    if not conf.current().cookie_partitioned:
        return
    kinds = ("SESSION",) if settings.CSRF_USE_SESSIONS else ("SESSION", "CSRF")
    wrong = [
        f"{kind}_COOKIE_{what} = {fix!r}"
        for kind in kinds
        for what, fix in (("SECURE", True), ("SAMESITE", "None"))
        if getattr(settings, f"{kind}_COOKIE_{what}") != fix
    ]
    if wrong:
        yield checks.Error(
            "SESSIONKEEPER['COOKIE_PARTITIONED'] is on, but browsers do not accept these cookies inside "
            "other sites.",
            hint=f"Set {', '.join(wrong)}, or remove COOKIE_PARTITIONED.",
            id=CheckId.PARTITIONED_REFUSED,
        )


def check_domain() -> Iterator[checks.CheckMessage]:
    """Report a function for domains that cannot be called, and a cookie name that rules domains out."""
    wanted = conf.current().cookie_domain
    if wanted is None:
        return
    name = settings.SESSION_COOKIE_NAME
    if str(name).startswith(HOST_PREFIX):
        yield checks.Error(
            f"Browsers refuse the cookie {name!r} if it has a domain, but SESSIONKEEPER['COOKIE_DOMAIN'] "
            "sets one.",
            hint="Remove COOKIE_DOMAIN, or use a name without the prefix.",
            id=CheckId.DOMAIN_WITH_PREFIX,
        )
    if isinstance(wanted, CallableSetting) and (problem := wanted.problem("request")):
        yield checks.Error(
            problem,
            hint="Use a function that takes the request, or a dict. To set one domain for all hosts, use "
            "SESSION_COOKIE_DOMAIN.",
            id=CheckId.DOMAIN_ASKED_IN_VAIN,
        )


def check_cookies() -> Iterator[checks.CheckMessage]:
    """Report cookies that are sent too far. Run by ``check --deploy``.

    Django's own checks find only its own middleware and application, not ours.
    """
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
