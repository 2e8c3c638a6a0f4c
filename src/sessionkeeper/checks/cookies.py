"""``COOKIE_DOMAIN`` and ``COOKIE_PARTITIONED``: what browsers would refuse, or never send."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from sessionkeeper import conf
from sessionkeeper.checks.deploy import HOST_PREFIX
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.core.check_ids import CheckId

_DOMAIN = "Give it a function of the request, or a dict; one domain for all hosts is SESSION_COOKIE_DOMAIN."


def check_partitioned() -> Iterator[CheckMessage]:
    """Report partitioned cookies that browsers refuse, or do not send from within other sites."""
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
        yield Error(
            "COOKIE_PARTITIONED is on, and the cookies are not what browsers take inside of other sites.",
            hint=f"Set {', '.join(wrong)}; or turn SESSIONKEEPER['COOKIE_PARTITIONED'] off.",
            id=CheckId.PARTITIONED_REFUSED,
        )


def check_domain() -> Iterator[CheckMessage]:
    """Report domains that cannot be asked for, or that the name of the cookie rules out."""
    wanted = conf.current().cookie_domain
    if wanted is None:
        return
    if str(settings.SESSION_COOKIE_NAME).startswith(HOST_PREFIX):
        yield Error(
            f"Browsers refuse the cookie {settings.SESSION_COOKIE_NAME!r} with a domain, which COOKIE_DOMAIN "
            "gives it.",
            hint="Remove SESSIONKEEPER['COOKIE_DOMAIN'], or give the cookie a name without the prefix.",
            id=CheckId.DOMAIN_WITH_PREFIX,
        )
    if isinstance(wanted, CallableSetting):
        try:
            signature(wanted.function()).bind(None)
        except (ImproperlyConfigured, TypeError) as error:
            yield Error(
                f"SESSIONKEEPER['COOKIE_DOMAIN'] cannot be asked: {error}.",
                hint=_DOMAIN,
                id=CheckId.DOMAIN_ASKED_IN_VAIN,
            )
        except ValueError:
            pass  # a function of C, which tells nothing
