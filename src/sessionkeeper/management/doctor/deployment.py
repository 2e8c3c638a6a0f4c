"""Tests from inside: system checks, a request through ``MIDDLEWARE``, the store, clocks, expired sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.handlers.base import BaseHandler
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from sessionkeeper import conf
from sessionkeeper.checks import TAG
from sessionkeeper.conf import validators
from sessionkeeper.core import context, failures, keys, records
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.management.doctor.report import Finding, error, ok, warning
from sessionkeeper.stores.factory import get_store

#: How many old sessions show whether expired sessions are purged.
_SAMPLE = 200
_LATE_PURGE = timedelta(days=2)
_CLOCK_SKEW = timedelta(seconds=5)
#: Django's own checks whose subject our checks cover.
_COVERED = frozenset(f"security.W{number:03}" for number in (4, 8, 10, 11, 12, 13, 14, 15, 16, 17))
#: Our checks that guess what a request through ``MIDDLEWARE`` shows.
_GUESSES = frozenset(
    {
        CheckId.NO_SESSION_MIDDLEWARE,
        CheckId.NO_AUTHENTICATION_MIDDLEWARE,
        CheckId.PERHAPS_NO_SESSION_BEFORE,
    }
)


def look() -> Iterator[Finding]:
    """Yield what the project's own process can tell."""
    shown, settled = _middleware()
    yield from _system_checks(_COVERED | settled)
    yield from shown
    try:
        yield from _store()
    except (StoreUnavailable, DatabaseError) as reason:
        yield error(
            "store",
            str(failures.sentence(reason)),
            "Start it, or correct SESSIONKEEPER['STORE'] and DATABASES. Until then sessions do not work.",
        )


def _system_checks(covered: frozenset[str]) -> Iterator[Finding]:
    messages = checks.run_checks(
        tags=[TAG, checks.Tags.security], include_deployment_checks=not settings.DEBUG
    )
    shown = [one for one in messages if not one.is_silenced() and one.id not in covered]
    for message in shown:
        if message.level >= checks.WARNING:
            kind = error if message.level >= checks.ERROR else warning
            yield kind(message.id or "check", str(message.msg), str(message.hint or ""))
    if not shown:
        yield ok("settings", "All system checks pass, including those for deployment.")


class _Probe(BaseHandler):
    """Runs ``MIDDLEWARE`` with a placeholder instead of a view, and keeps the request that reaches it."""

    reached: Any = None

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        self.reached = request
        return HttpResponse()


def _middleware() -> tuple[list[Finding], frozenset[str]]:
    """Return what a request through ``MIDDLEWARE`` shows, and the checks that no longer need to guess.

    Nothing is read from the request's session.
    """
    probe = _Probe()
    names = [str(name).removeprefix(".") for name in settings.ALLOWED_HOSTS]
    host = next((name for name in names if name and "*" not in name), "localhost")
    try:
        probe.load_middleware()
        chain: Any = probe._middleware_chain  # type: ignore[attr-defined]  # noqa: SLF001 - as Django's own handlers
        answer = chain(RequestFactory().get("/", secure=True, headers={"host": host}))
    except Exception as reason:  # noqa: BLE001 - middleware of the project may raise anything
        text = f"MIDDLEWARE fails: {reason!r}"
        return [error("middleware", text, "See the site's log.")], frozenset()
    finally:
        context.end()
    if probe.reached is None:
        text = f"A middleware answered with {answer.status_code}, so those after it could not be tested."
        return [ok("middleware", text)], frozenset()
    return list(_of_request(probe.reached)), _GUESSES


def _of_request(request: HttpRequest) -> Iterator[Finding]:
    session = getattr(request, "session", None)
    if session is None:
        fix = "Add 'sessionkeeper.middleware.SessionMiddleware' to MIDDLEWARE."
        yield error("middleware", "After MIDDLEWARE a request has no session.", fix)
    elif not isinstance(session, SessionStore):
        kind = f"{type(session).__module__}.{type(session).__qualname__}"
        fix = "Check SESSION_ENGINE, and find the middleware that sets request.session."
        yield warning("middleware", f"The session of a request is a {kind}, not sessionkeeper's.", fix)
    if not hasattr(request, "user"):
        fix = "Add 'sessionkeeper.middleware.AuthenticationMiddleware' after SessionMiddleware."
        yield warning("middleware", "After MIDDLEWARE a request has no user.", fix)
    elif isinstance(session, SessionStore):
        yield ok("middleware", "After MIDDLEWARE a request has a session of sessionkeeper's and a user.")


def _store() -> Iterator[Finding]:
    store, now = get_store(), registry.now()
    yield ok("store", f"The store answers. It contains {store.count()} sessions.")
    newest = store.scan(1)
    found = store.find(newest[0].id) if newest else None
    if found is not None:
        yield _clock(abs(found.now - registry.now()))
    current = conf.current()
    idle = current.absolute if current.idle_seconds is None else timedelta(seconds=current.idle_seconds)
    then = now - _LATE_PURGE
    if current.asked:  # a function decides how long a session lasts
        idle = validators.LONGEST
    old = store.scan(_SAMPLE, keys.id_before(then - min(idle, current.absolute)))
    if late := sum(not records.is_live(record, then) for record in old):
        text = f"{late} of {len(old)} old sessions expired more than {_LATE_PURGE.days} days ago."
        yield warning("purge", text, "Run `manage.py sessions purge` once a day, for example with cron.")
    else:
        yield ok("purge", "No session expired long ago.")


def _clock(skew: timedelta) -> Finding:
    if skew > _CLOCK_SKEW:
        text = f"The store's clock and this machine's differ by {skew.total_seconds():.0f} s."
        return warning("clock", text, "Synchronise the clocks of web servers and store (NTP).")
    return ok("clock", "The store's clock and this machine's agree.")
