"""Whether ``MIDDLEWARE`` holds what sessions need, in an order that works.

What Django's middleware and ours do is known, and stated. What the project's own does is not: a check runs at
every command, where no request may be sent through it. So where one of those could do what seems to be
missing, the message says that it guesses; ``manage.py sessions doctor`` sends a request and looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSession
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004
)
from django.middleware.cache import UpdateCacheMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from sessionkeeper.checks import engine
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.csrf.middleware import FetchMetadataMiddleware
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware

_KNOWN = ("django.", "sessionkeeper.")
_GUESS = "This is a guess; `manage.py sessions doctor` sends a request through MIDDLEWARE and looks. "


class Entry(NamedTuple):
    """One line of ``MIDDLEWARE``: its place, its path, and what the path names."""

    place: int
    path: str
    kind: type[Any]


def entries(*kinds: type[Any]) -> list[Entry]:
    """Return the lines of ``MIDDLEWARE`` that are one of ``kinds``; what cannot be imported is left out."""
    found = []
    for place, path in enumerate(_listed()):
        with suppress(Exception):  # Django itself reports it, at start
            kind = import_string(path)
            if isinstance(kind, type) and issubclass(kind, kinds):
                found.append(Entry(place, path, kind))
    return found


def is_known(entry: Entry) -> bool:
    """Whether the middleware is Django's or ours, and no subclass of the project's."""
    return str(entry.kind.__module__).startswith(_KNOWN)


def strangers(before: int | None = None) -> str:
    """Return the middleware whose doings are not known, up to that place, as text; empty: there is none."""
    listed = _listed()[:before]
    return ", ".join(repr(path) for path in listed if not str(path).startswith(_KNOWN))


def instead_of(django: type[Any], ours: str) -> str:
    """Return how to bring ours in: a subclass of the project's does something of its own, which must stay."""
    found = entries(django)
    if not found:
        return f"Add {ours!r} to MIDDLEWARE."
    path = found[0].path
    if is_known(found[0]):
        return f"Put {ours!r} in the place of {path!r}."
    return f"Make {path!r} a subclass of {ours!r}, if what it does of its own (not known here) bears that."


def check_present() -> Iterator[CheckMessage]:
    """Report middleware that sign-in needs and that is not there."""
    if not engine.is_ours():
        return
    sessions, authentication = entries(DjangoSession), entries(DjangoAuthentication)
    if not sessions and not authentication:
        yield Warning(
            "MIDDLEWARE has no SessionMiddleware: "
            f"{_unless('sets request.session', 'no request has a session')}.",
            hint=_guessed("Add 'sessionkeeper.middleware.SessionMiddleware'."),
            id=CheckId.NO_SESSION_MIDDLEWARE,
        )
    if not authentication:
        yield Warning(
            "MIDDLEWARE has no AuthenticationMiddleware: "
            f"{_unless('sets request.user', 'request.user does not exist')}.",
            hint=_guessed("Add 'sessionkeeper.middleware.AuthenticationMiddleware' after SessionMiddleware."),
            id=CheckId.NO_AUTHENTICATION_MIDDLEWARE,
        )
    if not entries(CsrfViewMiddleware):
        yield Warning(
            "MIDDLEWARE has no CsrfViewMiddleware: "
            f"{_unless('checks CSRF', 'any other site can post to this one as its user')}.",
            hint="Add 'django.middleware.csrf.CsrfViewMiddleware' after SessionMiddleware"
            f"{', or silence this' if strangers() else ''}.",
            id=CheckId.NO_CSRF_MIDDLEWARE,
        )


def _unless(does: str, otherwise: str) -> str:
    others = strangers()
    return f"unless one of {others} {does}, {otherwise}" if others else otherwise


def _guessed(hint: str) -> str:
    return _GUESS + hint if strangers() else hint


def check_order() -> Iterator[CheckMessage]:
    """Report middleware that runs before what it needs."""
    sessions, csrf = entries(DjangoSession), entries(CsrfViewMiddleware)
    authentication = entries(DjangoAuthentication)
    first = sessions[0].place if sessions else len(_listed())
    if authentication and authentication[0].place < first:
        yield _no_session_before(
            authentication[0], "every request fails", CheckId.AUTHENTICATION_BEFORE_SESSION
        )
    if settings.CSRF_USE_SESSIONS and csrf and csrf[0].place < first:
        yield _no_session_before(
            csrf[0], "with CSRF_USE_SESSIONS every request fails", CheckId.CSRF_BEFORE_SESSION
        )
    ours = entries(FetchMetadataMiddleware)
    if ours and csrf and csrf[0].place < ours[0].place:
        yield Warning(
            f"{ours[0].path!r} stands after {csrf[0].path!r}: requests without a token are refused before "
            "anybody looks where they come from.",
            hint="Put it right before 'django.middleware.csrf.CsrfViewMiddleware'.",
            id=CheckId.FETCH_METADATA_TOO_LATE,
        )
    caches = entries(UpdateCacheMiddleware)
    if sessions and caches and caches[-1].place > sessions[0].place:
        yield Warning(
            f"{caches[-1].path!r} stands after SessionMiddleware: it sees pages before they are marked "
            "'Vary: Cookie', so that one person's page may be stored and served to another.",
            hint="Put it first in MIDDLEWARE.",
            id=CheckId.CACHE_INSIDE_SESSION,
        )


def _no_session_before(entry: Entry, otherwise: str, error: CheckId) -> CheckMessage:
    hint = "Put 'sessionkeeper.middleware.SessionMiddleware' before it."
    others = strangers(entry.place)
    if is_known(entry) and not others:
        return Error(f"{entry.path!r} has no SessionMiddleware before it: {otherwise}.", hint=hint, id=error)
    own = f"one of {others} sets request.session" if others else "it does without"
    return Warning(
        f"{entry.path!r} has no SessionMiddleware before it: unless {own}, {otherwise}.",
        hint=_GUESS + hint,
        id=CheckId.PERHAPS_NO_SESSION_BEFORE,
    )


def check_mixed() -> Iterator[CheckMessage]:
    """Report our middleware beside Django's, or without our engine. All ours and all Django's are fine."""
    ours = entries(SessionMiddleware, AuthenticationMiddleware)
    if entries(SessionMiddleware) and not engine.is_ours():
        yield Error(
            f"{entries(SessionMiddleware)[0].path!r} needs SESSION_ENGINE = {engine.OURS!r}, "
            f"which is {settings.SESSION_ENGINE!r}.",
            hint=f"Set SESSION_ENGINE = {engine.OURS!r}, or use Django's SessionMiddleware.",
            id=CheckId.MIDDLEWARE_WITHOUT_ENGINE,
        )
    stock = [entry for entry in entries(DjangoSession, DjangoAuthentication) if entry not in ours]
    if ours and stock:
        yield Warning(
            f"MIDDLEWARE has {_paths(ours)} beside {_paths(stock)}: it works, without {_missing(stock)}.",
            hint=" ".join(_advice(entry) for entry in stock),
            id=CheckId.MIXED_MIDDLEWARE,
        )


#: What Django's middleware does not do, as far as it is not put in by a project's own subclass.
_ONLY_OURS = {
    DjangoSession: "bearer sessions, 503 in an outage, and the read that brings the user along",
    DjangoAuthentication: "the user who came with the session, so that each request asks for the user again",
}


def _missing(stock: list[Entry]) -> str:
    return "; without ".join(
        what for kind, what in _ONLY_OURS.items() if any(issubclass(entry.kind, kind) for entry in stock)
    )


def _advice(entry: Entry) -> str:
    base = DjangoSession if issubclass(entry.kind, DjangoSession) else DjangoAuthentication
    ours = f"sessionkeeper.middleware.{base.__name__}"
    if entries(SessionMiddleware if base is DjangoSession else AuthenticationMiddleware):
        same = f"{ours!r} is there too: each does the work of the other once more."
        return f"Remove {entry.path!r}: {same}" if is_known(entry) else f"{same} Keep one."
    if is_known(entry):
        return instead_of(base, ours)
    return (
        f"{entry.path!r} is a subclass, and what it does of its own is not known here: it may read another "
        f"cookie, so leave it where it is unless you know better. That the above is missing is a guess. To "
        f"have both, make it a subclass of {ours!r}."
    )


def _paths(found: list[Entry]) -> str:
    return " and ".join(repr(entry.path) for entry in found)


def _listed() -> list[Any]:
    given: Any = settings.MIDDLEWARE
    return list(given) if isinstance(given, list | tuple) else []
