"""What Django's settings of cookies cannot say: a domain for each host, and cookies of embedded sites."""

from __future__ import annotations

from http.cookies import Morsel
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http.request import split_domain_port

from sessionkeeper import conf
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.conf.validators import covers
from sessionkeeper.core import context


class _Partitioned(Morsel[str]):
    """A cookie with an attribute that ``http.cookies`` knows from Python 3.14 on."""

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802 - the name that is overridden
        """Return the value of the header."""
        return f"{super().OutputString(attrs)}; Partitioned"


def domain() -> str | None:
    """Return the domain of cookies in the answer to the request under way; None: its host alone.

    By ``COOKIE_DOMAIN``, and ``SESSION_COOKIE_DOMAIN`` where that says nothing of the host.

    Raises:
        ImproperlyConfigured: the project's function answered what no browser takes from this host.
    """
    wanted, request = conf.current().cookie_domain, context.current_request()
    default: str | None = settings.SESSION_COOKIE_DOMAIN
    if wanted is None or request is None:
        return default
    try:
        host = split_domain_port(request.get_host())[0]
    except DisallowedHost:
        return default
    if not isinstance(wanted, CallableSetting):
        found = next((name for name in _names(host) if name in wanted), None)
        return default if found is None else wanted[found]
    answer = wanted.function()(request)
    if answer is not None and not (isinstance(answer, str) and covers(answer, host)):
        raise ImproperlyConfigured(
            f"SESSIONKEEPER['COOKIE_DOMAIN']: {wanted.label} answered {answer!r} for the host {host!r}, "
            "which may set no cookie for it."
        )
    return answer


def partition(response: Any, name: str) -> None:
    """Let the cookie of this name in an answer count for the site alone that embeds this one, if so set."""
    cookie = response.cookies.get(name)
    if cookie is None or not conf.current().cookie_partitioned or isinstance(cookie, _Partitioned):
        return
    partitioned = _Partitioned()
    partitioned.set(cookie.key, cookie.value, cookie.coded_value)
    partitioned.update({key: value for key, value in cookie.items() if key != "partitioned"})
    response.cookies[name] = partitioned


def _names(host: str) -> list[str]:
    """Return what a mapping may call a host: its name, and from the nearest on the domains that it is in."""
    labels = host.split(".")
    return [host, *("." + ".".join(labels[start:]) for start in range(len(labels)))]
