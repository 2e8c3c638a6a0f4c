"""Whether ``MIDDLEWARE`` has what sessions need, in an order that works.

What Django's middleware and ours do is known. What the project's own does is not, because checks run at every
command and cannot send a request through it. Where one of those could do what seems to be missing, the
message says that it is a guess; ``manage.py sessions doctor`` sends a request and looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSession
from django.core import checks
from django.middleware.cache import UpdateCacheMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string

from sessionkeeper.checks import engine
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.csrf.fetch_metadata import FetchMetadataMiddleware
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware

_KNOWN = ("django.", "sessionkeeper.")
_GUESS = "This is a guess; `manage.py sessions doctor` sends a request through MIDDLEWARE to find out. "
#: Django's middleware, by the path of ours that replaces it.
OURS = {
    DjangoSession: "sessionkeeper.middleware.SessionMiddleware",
    DjangoAuthentication: "sessionkeeper.middleware.AuthenticationMiddleware",
}


class Entry(NamedTuple):
    """One entry of ``MIDDLEWARE``: its index, its path, and the class that the path names."""

    place: int
    path: str
    kind: type[Any]


def entries(*kinds: type[Any]) -> list[Entry]:
    """Return the entries of ``MIDDLEWARE`` that are one of ``kinds``. What cannot be imported is left out."""
    found = []
    for place, path in enumerate(_listed()):
        with suppress(Exception):  # Django itself reports it, at start
            kind = import_string(path)
            if isinstance(kind, type) and issubclass(kind, kinds):
                found.append(Entry(place, path, kind))
    return found


def is_known(entry: Entry) -> bool:
    """Whether the middleware is Django's or ours, not a subclass of the project's own."""
    return str(entry.kind.__module__).startswith(_KNOWN)


def strangers(before: int | None = None) -> str:
    """Return the middleware of the project up to that index, as text; empty if there is none."""
    listed = _listed()[:before]
    return ", ".join(repr(path) for path in listed if not str(path).startswith(_KNOWN))


def instead_of(django: type[Any]) -> str:
    """Return how to add ours in the place of Django's. A subclass of the project's own has to stay."""
    ours, found = OURS[django], entries(django)
    if not found:
        return f"Add {ours!r} to MIDDLEWARE."
    path = found[0].path
    if is_known(found[0]):
        return f"Replace {path!r} with {ours!r}."
    return f"Make {path!r} a subclass of {ours!r}, if that suits what it does (which is not known here)."


@engine.if_ours
def check_present() -> Iterator[checks.CheckMessage]:
    """Report missing middleware that signing in needs."""
    sessions, authentication = entries(DjangoSession), entries(DjangoAuthentication)
    if not sessions and not authentication:
        yield checks.Warning(
            "There is no SessionMiddleware in MIDDLEWARE: "
            f"{_unless('sets request.session', 'no request has a session')}.",
            hint=_guessed(f"Add {OURS[DjangoSession]!r}."),
            id=CheckId.NO_SESSION_MIDDLEWARE,
        )
    if not authentication:
        yield checks.Warning(
            "There is no AuthenticationMiddleware in MIDDLEWARE: "
            f"{_unless('sets request.user', 'request.user does not exist')}.",
            hint=_guessed(f"Add {OURS[DjangoAuthentication]!r} after SessionMiddleware."),
            id=CheckId.NO_AUTHENTICATION_MIDDLEWARE,
        )
    if not entries(CsrfViewMiddleware):
        yield checks.Warning(
            "There is no CsrfViewMiddleware in MIDDLEWARE: "
            f"{_unless('checks CSRF', 'other sites can send forms to this one in the name of its users')}.",
            hint="Add 'django.middleware.csrf.CsrfViewMiddleware' after SessionMiddleware"
            f"{', or silence this check' if strangers() else ''}.",
            id=CheckId.NO_CSRF_MIDDLEWARE,
        )


def _unless(does: str, otherwise: str) -> str:
    others = strangers()
    return f"unless one of {others} {does}, {otherwise}" if others else otherwise


def _guessed(hint: str) -> str:
    return _GUESS + hint if strangers() else hint


def check_order() -> Iterator[checks.CheckMessage]:
    """Report middleware that comes before what it needs."""
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
        yield checks.Warning(
            f"{ours[0].path!r} comes after {csrf[0].path!r}, which refuses requests without a token before "
            "their origin is checked.",
            hint=f"Put it directly before {csrf[0].path!r}.",
            id=CheckId.FETCH_METADATA_TOO_LATE,
        )
    caches = entries(UpdateCacheMiddleware)
    if sessions and caches and caches[-1].place > sessions[0].place:
        yield checks.Warning(
            f"{caches[-1].path!r} comes after SessionMiddleware. It caches pages before they get 'Vary: "
            "Cookie', so the page of one user may be served to another.",
            hint="Put it first in MIDDLEWARE.",
            id=CheckId.CACHE_INSIDE_SESSION,
        )


def _no_session_before(entry: Entry, otherwise: str, error: CheckId) -> checks.CheckMessage:
    hint = f"Put {OURS[DjangoSession]!r} before it."
    others = strangers(entry.place)
    if is_known(entry) and not others:
        return checks.Error(
            f"{entry.path!r} has no SessionMiddleware before it: {otherwise}.", hint=hint, id=error
        )
    own = f"one of {others} sets request.session" if others else "it needs none"
    return checks.Warning(
        f"{entry.path!r} has no SessionMiddleware before it: unless {own}, {otherwise}.",
        hint=_GUESS + hint,
        id=CheckId.PERHAPS_NO_SESSION_BEFORE,
    )


def check_mixed() -> Iterator[checks.CheckMessage]:
    """Report our middleware without our engine, and a mixture of ours and Django's."""
    ours = entries(SessionMiddleware, AuthenticationMiddleware)
    if entries(SessionMiddleware) and not engine.is_ours():
        yield checks.Error(
            f"{entries(SessionMiddleware)[0].path!r} needs SESSION_ENGINE = {engine.OURS!r}, but "
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}.",
            hint=f"Set SESSION_ENGINE = {engine.OURS!r}, or use Django's SessionMiddleware.",
            id=CheckId.MIDDLEWARE_WITHOUT_ENGINE,
        )
    stock = [entry for entry in entries(DjangoSession, DjangoAuthentication) if entry not in ours]
    if ours and stock:
        yield checks.Warning(
            f"MIDDLEWARE has {_paths(ours)} together with {_paths(stock)}. That works, but without "
            f"{_missing(stock)}.",
            hint=" ".join(_advice(entry) for entry in stock),
            id=CheckId.MIXED_MIDDLEWARE,
        )


def check_https() -> Iterator[checks.CheckMessage]:
    """Report a site that can be used without HTTPS. Run by ``check --deploy``."""
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


#: What Django's middleware does not do, unless a subclass of the project's own adds it.
_ONLY_OURS = {
    DjangoSession: "bearer sessions, the 503 in an outage, and reading the user together with the session",
    DjangoAuthentication: "using the user that was read with the session, so each request reads it again",
}


def _missing(stock: list[Entry]) -> str:
    return "; without ".join(
        what for kind, what in _ONLY_OURS.items() if any(issubclass(entry.kind, kind) for entry in stock)
    )


def _advice(entry: Entry) -> str:
    base = DjangoSession if issubclass(entry.kind, DjangoSession) else DjangoAuthentication
    ours = OURS[base]
    if entries(SessionMiddleware if base is DjangoSession else AuthenticationMiddleware):
        same = f"{ours!r} is there too, and does the same work again."
        return f"Remove {entry.path!r}: {same}" if is_known(entry) else f"{same} Keep only one of them."
    if is_known(entry):
        return instead_of(base)
    return (
        f"{entry.path!r} is a subclass, and what it does is not known here: it may read another cookie, so "
        "leave it where it is unless you know better. That something is missing is a guess. To have both, "
        f"make it a subclass of {ours!r}."
    )


def _paths(found: list[Entry]) -> str:
    return " and ".join(repr(entry.path) for entry in found)


def _listed() -> list[Any]:
    given: Any = settings.MIDDLEWARE
    return list(given) if isinstance(given, list | tuple) else []
