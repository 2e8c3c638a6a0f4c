"""A request through ``MIDDLEWARE``: what the checks can only guess from names of classes is looked at here.

No view is run. The middleware does what it does for any visit, so this is no part of the system checks, which
run at every command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from sessionkeeper.core import context
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.management.doctor.report import Finding, error, ok, warning

#: Checks whose guess the request settles.
SETTLED = frozenset(
    {
        CheckId.NO_SESSION_MIDDLEWARE,
        CheckId.NO_AUTHENTICATION_MIDDLEWARE,
        CheckId.PERHAPS_NO_SESSION_BEFORE,
    }
)


class _Probe(BaseHandler):
    """Middleware around a place where a request is looked at and not served."""

    reached: Any = None

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        self.reached = request
        return HttpResponse()


def look() -> tuple[list[Finding], frozenset[str]]:
    """Return what a request has that came through, and the checks that need not guess any more.

    Nothing is read from its session.
    """
    probe = _Probe()
    try:
        probe.load_middleware()
        chain: Any = probe._middleware_chain  # type: ignore[attr-defined]  # noqa: SLF001 - as Django's own handlers
        answer = chain(RequestFactory().get("/", secure=True, headers={"host": _host()}))
    except Exception as reason:  # noqa: BLE001 - middleware of the project may raise anything
        fix = "Look into the site's log."
        return [error("middleware", f"MIDDLEWARE cannot be set up: {reason!r}", fix)], frozenset()
    finally:
        context.end()
    if probe.reached is None:
        text = f"A middleware answered {answer.status_code} by itself: the ones after it were not seen."
        return [ok("middleware", text)], frozenset()
    return list(_of(probe.reached)), SETTLED


def _of(request: HttpRequest) -> Iterator[Finding]:
    session = getattr(request, "session", None)
    if session is None:
        fix = "Add 'sessionkeeper.middleware.SessionMiddleware' to MIDDLEWARE."
        yield error("middleware", "A request that came through MIDDLEWARE has no session.", fix)
    elif not isinstance(session, SessionStore):
        kind = f"{type(session).__module__}.{type(session).__qualname__}"
        fix = "Look for the middleware that sets request.session, and SESSION_ENGINE."
        yield warning("middleware", f"The session of a request is a {kind}, which is none of ours.", fix)
    if not hasattr(request, "user"):
        fix = "Add 'sessionkeeper.middleware.AuthenticationMiddleware' after SessionMiddleware."
        yield warning("middleware", "A request that came through MIDDLEWARE has no user.", fix)
    elif isinstance(session, SessionStore):
        yield ok("middleware", "A request that came through MIDDLEWARE has our session and a user.")


def _host() -> str:
    names = [str(name).removeprefix(".") for name in settings.ALLOWED_HOSTS]
    return next((name for name in names if name and "*" not in name), "localhost")
