"""What a response does about the session of its request: decided once, and what is due is written."""

from __future__ import annotations

from typing import Any

from django.http.request import HttpHeaders

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import BEARER, KeyStatus, SessionStatus
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http.transports import Cookie

#: A request with this header, or to a view marked with ``passive``, does not keep its session alive.
PASSIVE_HEADER = "X-Session-Passive"
_PASSIVE_META = HttpHeaders.to_wsgi_name(PASSIVE_HEADER)
_SERVER_ERROR = 500


def status(request: Any, response: Any, session: SessionStore, *, always: bool) -> SessionStatus:
    """Decide once what the response does about the session. ``always``: it is saved in every request."""
    if always and not session.accessed and session.session_key is not None:
        try:
            session.keys()  # a session that nobody asked for is kept alive too
        except StoreUnavailable:
            return SessionStatus.UNUSED  # best effort: the page did without it
    if not (session.accessed or session.modified):
        return SessionStatus.UNUSED
    if session.is_empty():
        if session.transport == BEARER:
            return SessionStatus.UNUSED
        # A live session whose secret is another one now keeps its cookie: this may be a late response, and
        # must not take the new key away.
        ended = session.flushed or session._active.verdict not in {None, KeyStatus.LIVE, KeyStatus.STALE}
        return SessionStatus.DESTROYED if ended and Cookie.read(request) is not None else SessionStatus.UNUSED
    if (session.modified or always) and response.status_code < _SERVER_ERROR:
        return SessionStatus.MODIFIED
    return SessionStatus.CLEAN


def write(request: Any, response: Any, session: SessionStore, status: SessionStatus, *, always: bool) -> None:
    """Renew the key if that is due, and write what changed, or at least that the session was used.

    Raises:
        StoreUnavailable: what changed could not be written.
        UpdateError: the session was ended or given another key meanwhile (SessionGone, StaleSession).
    """
    if status is SessionStatus.UNUSED:
        return
    active, passive = session._active, _is_passive(request)
    upkeep = not passive and active.upkeep_may_be_due()
    if upkeep and response.status_code < _SERVER_ERROR and active.renew_if_due():
        session.take_key()
    if status is SessionStatus.CLEAN:
        if upkeep:
            active.touch_if_due()
    elif session.has_changes():
        session.save()
    elif not passive:
        active.touch_if_due(force=always)


def cookie_due(request: Any, response: Any, session: SessionStore, *, always: bool) -> bool:
    """Whether the response has to hand out the key."""
    if session.transport == BEARER or session.is_empty() or not (session.accessed or session.modified):
        return False
    if response.status_code >= _SERVER_ERROR:
        # The view failed after the key was changed: without the new one the client would be signed out,
        # unless the change was rolled back with the view's transaction.
        return (session._active.rotated or session.adopted) and session._active.key_is_current()
    if always and session._active.stored:
        return True
    return session._active.renewed or (
        session.modified and (session.cookie_due or session.session_key != Cookie.read(request))
    )


def _is_passive(request: Any) -> bool:
    view = getattr(request.resolver_match, "func", None)
    return (
        _PASSIVE_META in request.META
        or getattr(view, "session_passive", False)
        or getattr(request, "session_passive", False)
    )
