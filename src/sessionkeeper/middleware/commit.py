"""The end of a request: writes the session, and sets its cookie and headers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase

from sessionkeeper.auth import known_devices
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import BEARER, KeyStatus, SessionStatus
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http import transports
from sessionkeeper.http.transports import Bearer, Cookie
from sessionkeeper.middleware import responses

#: A request with this header, or to a view marked ``passive``, does not keep its session alive.
PASSIVE_HEADER = "X-Session-Passive"
_PASSIVE_META = HttpHeaders.to_wsgi_name(PASSIVE_HEADER)
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


def commit(request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> None:
    """Write what changed, or record the use, and set cookie and headers of the response.

    Raises:
        StoreUnavailable: what changed could not be written.
        SessionGone, StaleSession: the session was ended, or its key was changed, meanwhile.
    """
    if session.ended_id is not None and response.status_code >= _CLIENT_ERROR:
        # An error may have rolled back the view's transaction, and with it the end of the session.
        registry.revoke(session.ended_id, reason="ended_again")
    active, always = session._active, settings.SESSION_SAVE_EVERY_REQUEST
    status = _status(request, response, session, always=always)
    gives_key = False
    match status:
        case SessionStatus.DESTROYED:
            responses.take_cookie(response)
        case SessionStatus.CLEAN if response.status_code >= _SERVER_ERROR:
            if not _is_passive(request):
                active.touch_if_due()
            # If the failed view has changed the key, the client would be signed out without it, unless the
            # change was rolled back.
            gives_key = (active.rotated or session.adopted) and active.key_is_current()
        case SessionStatus.CLEAN:
            gives_key = _keep_alive(request, session)
        case SessionStatus.MODIFIED:
            renewed = _keep_alive(request, session, touch=False)
            if session.has_changes():
                session.save()
            elif not _is_passive(request):
                active.touch_if_due(force=always)
            is_new = session.cookie_due or session.session_key != Cookie.read(request)
            gives_key = renewed or (always and active.stored) or (session.modified and is_new)
    if gives_key and session.transport != BEARER and not session.is_empty():
        Cookie.write(response, str(session.session_key), session.cookie_age())
        transports.forbid_caching(response)
    _finish_headers(response, session)


def _status(
    request: HttpRequest, response: HttpResponseBase, session: SessionStore, *, always: bool
) -> SessionStatus:
    """Return what is due. With ``always``, the session is saved in every request."""
    if always and not session.accessed and session.session_key is not None:
        try:
            session.keys()  # load it: a session that was not accessed is kept alive too
        except StoreUnavailable:
            return SessionStatus.UNUSED  # the page did not need it
    if not (session.accessed or session.modified):
        return SessionStatus.UNUSED
    if session.is_empty():
        if session.transport == BEARER:
            return SessionStatus.UNUSED
        # If the session lives with another secret, the cookie stays: this may be a late response, which must
        # not delete the new key.
        ended = session.flushed or session._active.verdict not in {None, KeyStatus.LIVE, KeyStatus.STALE}
        return SessionStatus.DESTROYED if ended and Cookie.read(request) is not None else SessionStatus.UNUSED
    if (session.modified or always) and response.status_code < _SERVER_ERROR:
        return SessionStatus.MODIFIED
    return SessionStatus.CLEAN


def _keep_alive(request: HttpRequest, session: SessionStore, *, touch: bool = True) -> bool:
    """Renew the key if that is due, else record the use. Return whether the response has to send a key."""
    active = session._active
    if active.upkeep_may_be_due() and not _is_passive(request):
        if active.renew_if_due():
            session.take_key()
        elif touch:
            active.touch_if_due()
    return active.renewed


def _finish_headers(response: HttpResponseBase, session: SessionStore) -> None:
    device = known_devices.signed_in.get()
    if device is not None and session.names_user():
        known_devices.write(response, device[0])
    if session.accessed:
        (Bearer if session.transport == BEARER else Cookie).vary(response)
        if session.names_user() and not response.has_header("Cache-Control"):
            response.headers["Cache-Control"] = transports.NOT_CACHED


def _is_passive(request: Any) -> bool:
    view = getattr(request.resolver_match, "func", None)
    return (
        _PASSIVE_META in request.META
        or getattr(view, "session_passive", False)
        or getattr(request, "session_passive", False)
    )
