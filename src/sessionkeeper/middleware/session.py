"""Middleware that replaces Django's: one round trip per request, and an outage signs nobody out.

``SessionMiddleware`` and ``AuthenticationMiddleware`` are subclasses of Django's, sync and async, so that
code which looks for Django's finds them. The end of a request, :func:`commit`, writes the session, and sets
its cookie and headers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from sessionkeeper.auth import attempts, lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import (
    NoTransport,
    ReauthenticationRequired,
    SessionGone,
    StaleSession,
    StoreUnavailable,
    TooManySessions,
    TooManyTries,
    UserMismatch,
)
from sessionkeeper.core.records import BEARER, KeyStatus, SessionStatus
from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.engine import principal
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http import client_info, problems, transports
from sessionkeeper.http.client_info import address_in
from sessionkeeper.http.transports import Bearer, Cookie
from sessionkeeper.middleware import forgotten_login, htmx, responses
from sessionkeeper.stores.database.errors import outage_of
from sessionkeeper.stores.factory import run_in_loop

_SERVER_ERROR = 500


class SessionMiddleware(DjangoSessionMiddleware):
    """Attaches a lazy ``request.session``, and writes what changed once, after the response."""

    #: By this ``auth.receivers``, which cannot import this module, finds it in ``MIDDLEWARE``.
    is_sessionkeepers = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                "sessionkeeper.middleware.SessionMiddleware needs SESSION_ENGINE = 'sessionkeeper.engine'."
            )

    def process_request(self, request: HttpRequest) -> Any:
        """Take the key from the cookie or the bearer token. Nothing is read yet."""
        context.begin(request)
        if settings.DEBUG:
            forgotten_login.begin()
        if not transports.are_plain(keys.Secret(request.META.get("HTTP_COOKIE", ""))):
            names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, attempts.cookie_name())
            transports.drop_misspelled(request, names)
        cookie, token = Cookie.read(request), Bearer.read(request)
        other_cookies = Cookie.other_cookies(request) if token is None and cookie is not None else ()
        if other_cookies:  # the engine ignores what cannot be a key
            cookie = next((one for one in (cookie, *other_cookies) if keys.parse(one) is not None), cookie)
        store: Any = self.SessionStore
        session: Any = store(cookie) if token is None else BearerSession(token)
        session.principal_wanted, session.touches_on_load = True, False
        session.other_cookies = other_cookies
        session.client.source = partial(address_in, keys.Secret(request.META))
        session.client.user_agent = request.META.get("HTTP_USER_AGENT", "")
        # A request with a body may be old, such as an upload that a proxy has buffered. Its key does not
        # prove that there is a copy.
        session._active.detect_reuse = not _has_body(request)
        client_info.current.set(session.client)
        request.session = session
        if token is None:
            return None
        if cookie is not None:
            request.session = self.SessionStore()
            return responses.refuse_both(request)
        # No cookie is read, so the request cannot be forged through a browser that is signed in.
        fetch_metadata.mark_checked(request)
        return None

    def __call__(self, request: HttpRequest) -> Any:
        """Handle a request, also an outage that breaks Django's error page."""
        if self.async_mode:
            return self.__acall__(request)
        refusal = self.process_request(request)
        if refusal is not None:
            return refusal
        try:
            return self.process_response(request, self.get_response(request))
        except StoreUnavailable as error:
            return responses.unavailable(request, error)

    async def __acall__(self, request: HttpRequest) -> Any:
        """Handle a request in the event loop. Only a write takes a thread, if the store needs one."""
        refusal = self.process_request(request)
        if refusal is not None:
            return refusal
        if namespaces.must_be_read():
            await namespaces.note()
        try:
            response: Any = await self.get_response(request)  # type: ignore[misc]
        except StoreUnavailable as error:
            return responses.unavailable(request, error)
        if not _needs_store(request, response):
            return self.process_response(request, response)
        finish = partial(self.process_response, request, response)
        needs_thread = lockout.is_open() or context.must_repeat()
        return await (sync_to_async(finish)() if needs_thread else run_in_loop(finish))

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """Answer our own errors. An outage is a 503 and not a logout: the cookie stays."""
        session: Any = getattr(request, "session", None)
        if isinstance(exception, NoTransport):
            return responses.no_session(request, session)
        if isinstance(exception, ReauthenticationRequired):
            return responses.ask_again(request)
        if isinstance(exception, UserMismatch):
            return problems.USER_MISMATCH.response(request)
        if isinstance(exception, TooManySessions):
            return responses.too_many_sessions(request, session)
        if isinstance(exception, TooManyTries):
            headers = {"Retry-After": str(exception.retry_after)}
            return problems.THROTTLED.response(request, headers=headers)
        is_ours = isinstance(session, SessionStore)
        signs_in = is_ours and (session._active.signing_in or session.sign_in_undone)
        if isinstance(exception, Error) and (signs_in or lockout.is_open()):
            # A query of a backend, or of Django's own login() such as that of last_login, failed: nobody is
            # signed in.
            exception = outage_of(exception) or exception
        return responses.unavailable(request, exception) if isinstance(exception, StoreUnavailable) else None

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Write what changed, and set the cookie only if the key or its lifetime changed."""
        if "HTTP_HX_REQUEST" in request.META:
            response = htmx.lead_out(request, response)
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return super().process_response(request, response)
        if settings.DEBUG:
            forgotten_login.end(request, response)
        if session.outage is not None and response.status_code == _SERVER_ERROR:
            # Another middleware raised the outage, and Django has made an error page of it.
            return responses.unavailable(request, session.outage)
        return self._commit(request, response, session)

    def _commit(self, request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> Any:
        try:
            context.repeat()
            if lockout.under_way.get() is not None and (wait := lockout.settle()):
                responses.say_refused(response, wait)
            commit(request, response, session)
        except (StoreUnavailable, TooManySessions, NoTransport) as error:
            return self.process_exception(request, error)
        except StaleSession:
            return problems.SESSION_ROTATED.response(request)
        except SessionGone as error:
            if session.transport == BEARER:
                return response if context.current_session().ended else responses.token_invalid(request)
            if context.current_session().ended:  # the request disabled or deleted its own user
                responses.take_cookie(response)
                return response
            raise SessionInterrupted(
                "The request's session was deleted before the request completed. The user may have logged "
                "out in a concurrent request, for example."
            ) from error
        return response


def _needs_store(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether the end of the request may need the store."""
    session = getattr(request, "session", None)
    return (
        not isinstance(session, SessionStore)
        or settings.SESSION_SAVE_EVERY_REQUEST
        or session.modified
        or lockout.is_open()
        or context.must_repeat()
        or session._active.upkeep_due()
    )


def _has_body(request: HttpRequest) -> bool:
    return (
        request.META.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in request.META
    )


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Attaches ``request.user`` and ``request.auser``, from the one read of the session."""

    async def __acall__(self, request: HttpRequest) -> Any:
        """Handle a request in the event loop, without a thread."""
        self.process_request(request)
        return await self.get_response(request)  # type: ignore[misc]

    def process_request(self, request: HttpRequest) -> None:
        """Attach a lazy user; nothing is read before it is used."""
        if not isinstance(getattr(request, "session", None), SessionStore):
            super().process_request(request)
            return
        request.user = SimpleLazyObject(partial(principal.get_user, request))  # type: ignore[assignment]
        request.auser = partial(principal.aget_user, request)


#: A request with this header, or to a view marked ``passive``, does not keep its session alive.
PASSIVE_HEADER = "X-Session-Passive"
_PASSIVE_META = HttpHeaders.to_wsgi_name(PASSIVE_HEADER)


def commit(request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> None:
    """Write what changed, or record the use, and set cookie and headers of the response.

    Raises:
        StoreUnavailable: what changed could not be written.
        SessionGone, StaleSession: the session was ended, or its key was changed, meanwhile.
    """
    active, always = session._active, settings.SESSION_SAVE_EVERY_REQUEST
    status = _status(request, response, session, always=always)
    gives_key = False
    match status:
        case SessionStatus.DESTROYED:
            responses.take_cookie(response)
        case SessionStatus.CLEAN if response.status_code >= _SERVER_ERROR:
            if not _is_passive(request):
                active.touch_if_due()
            # If the failed view has changed the key, the client would be signed out without it.
            gives_key = active.rotated or session.adopted
        case SessionStatus.CLEAN:
            gives_key = _keep_alive(request, session)
        case SessionStatus.MODIFIED:
            renewed = _keep_alive(request, session, touch=False)
            if session.has_changes():
                session.save()
            elif not _is_passive(request):
                active.confirm() if always else active.touch_if_due()
            is_new = session.cookie_due or session.held != Cookie.read(request)
            gives_key = renewed or (always and active.stored) or (session.modified and is_new)
    sends = gives_key and active.sends_key() and session.transport != BEARER and not session.is_empty()
    if sends and session.held is not None:
        Cookie.write(response, session.held, session.cookie_age())
        transports.forbid_caching(response)
    _finish_headers(request, response, session)


def _status(
    request: HttpRequest, response: HttpResponseBase, session: SessionStore, *, always: bool
) -> SessionStatus:
    """Return what is due. With ``always``, the session is saved in every request."""
    if always and not session.accessed and session.held is not None:
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
        if touch:
            active.touch_if_due()
    return active.renewed


def _finish_headers(request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> None:
    device = attempts.signed_in.get()
    if device is not None and session.names_user():
        attempts.write(response, device[0])
        if session.all_open and settings.SESSION_COOKIE_NAME in response.cookies:
            Cookie.clear_others(response)  # of two cookies none counts, so the sign-in would have no effect
    if session.accessed or session.token_wanted:
        transports.vary(response, request)
        if session.names_user() and not response.has_header("Cache-Control"):
            response.headers["Cache-Control"] = transports.NOT_CACHED


def _is_passive(request: Any) -> bool:
    view = getattr(request.resolver_match, "func", None)
    return (
        _PASSIVE_META in request.META
        or getattr(view, "session_passive", False)
        or getattr(request, "session_passive", False)
    )
