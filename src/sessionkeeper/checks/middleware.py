"""Whether ``MIDDLEWARE`` holds what sessions need, in an order that works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSession
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.middleware.cache import UpdateCacheMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from sessionkeeper.checks import engine
from sessionkeeper.csrf import FetchMetadataMiddleware
from sessionkeeper.middleware import AuthenticationMiddleware, SessionMiddleware


class Entry(NamedTuple):
    """One line of ``MIDDLEWARE``: its place, its path, and what the path names."""

    place: int
    path: str
    kind: type[Any]


def entries(*kinds: type[Any]) -> list[Entry]:
    """Return the lines of ``MIDDLEWARE`` that are one of ``kinds``; what cannot be imported is left out."""
    found = []
    given: Any = settings.MIDDLEWARE
    for place, path in enumerate(given if isinstance(given, list | tuple) else ()):
        with suppress(Exception):  # Django itself reports it, at start
            kind = import_string(path)
            if isinstance(kind, type) and issubclass(kind, kinds):
                found.append(Entry(place, path, kind))
    return found


def check_present() -> Iterator[CheckMessage]:
    """Report middleware that sign-in needs and that is not there."""
    if not engine.is_ours():
        return
    sessions, authentication = entries(DjangoSession), entries(DjangoAuthentication)
    if not sessions and not authentication:
        yield Warning(
            "MIDDLEWARE has no SessionMiddleware: no request has a session.",
            hint="Add 'sessionkeeper.middleware.SessionMiddleware'.",
            id="sessionkeeper.W003",
        )
    if not authentication:
        yield Warning(
            "MIDDLEWARE has no AuthenticationMiddleware: request.user does not exist.",
            hint="Add 'sessionkeeper.middleware.AuthenticationMiddleware' after SessionMiddleware.",
            id="sessionkeeper.W004",
        )
    if not entries(CsrfViewMiddleware):
        yield Warning(
            "MIDDLEWARE has no CsrfViewMiddleware: any other site can post to this one as its user.",
            hint="Add 'django.middleware.csrf.CsrfViewMiddleware' after SessionMiddleware.",
            id="sessionkeeper.W005",
        )


def check_order() -> Iterator[CheckMessage]:
    """Report middleware that runs before what it needs."""
    sessions, authentication = entries(DjangoSession), entries(DjangoAuthentication)
    if authentication and not (sessions and sessions[0].place < authentication[0].place):
        yield Error(
            f"{authentication[0].path!r} has no SessionMiddleware before it: every request fails.",
            hint="Put 'sessionkeeper.middleware.SessionMiddleware' before it.",
            id="sessionkeeper.E004",
        )
    csrf = entries(CsrfViewMiddleware)
    if settings.CSRF_USE_SESSIONS and csrf and not (sessions and sessions[0].place < csrf[0].place):
        yield Error(
            "CSRF_USE_SESSIONS is on, and CsrfViewMiddleware has no SessionMiddleware before it.",
            hint="Put 'sessionkeeper.middleware.SessionMiddleware' before it.",
            id="sessionkeeper.E005",
        )
    ours = entries(FetchMetadataMiddleware)
    if ours and csrf and csrf[0].place < ours[0].place:
        yield Warning(
            f"{ours[0].path!r} stands after {csrf[0].path!r}: requests without a token are refused before "
            "anybody looks where they come from.",
            hint="Put it right before 'django.middleware.csrf.CsrfViewMiddleware'.",
            id="sessionkeeper.W008",
        )
    caches = entries(UpdateCacheMiddleware)
    if sessions and caches and caches[-1].place > sessions[0].place:
        yield Warning(
            f"{caches[-1].path!r} stands after SessionMiddleware: it stores pages before they are marked "
            "'Vary: Cookie', so that one person's page may be served to another.",
            hint="Put it first in MIDDLEWARE.",
            id="sessionkeeper.W006",
        )


def check_mixed() -> Iterator[CheckMessage]:
    """Report our middleware beside Django's, or without our engine. All ours and all Django's are fine."""
    ours = entries(SessionMiddleware, AuthenticationMiddleware)
    if entries(SessionMiddleware) and not engine.is_ours():
        yield Error(
            f"{entries(SessionMiddleware)[0].path!r} needs SESSION_ENGINE = {engine.OURS!r}, "
            f"which is {settings.SESSION_ENGINE!r}.",
            hint=f"Set SESSION_ENGINE = {engine.OURS!r}, or use Django's SessionMiddleware.",
            id="sessionkeeper.E006",
        )
    stock = [entry for entry in entries(DjangoSession, DjangoAuthentication) if entry not in ours]
    if ours and stock:
        yield Warning(
            f"MIDDLEWARE mixes {_paths(ours)} with {_paths(stock)}: sessions are read or written twice.",
            hint="Use 'sessionkeeper.middleware.SessionMiddleware' and "
            "'sessionkeeper.middleware.AuthenticationMiddleware' in place of both of Django's.",
            id="sessionkeeper.W007",
        )


def _paths(found: list[Entry]) -> str:
    return " and ".join(repr(entry.path) for entry in found)
