"""Middleware in place of Django's: one round trip a request, and an outage that is not a logout.

``SessionMiddleware`` and ``AuthenticationMiddleware`` are subclasses of Django's, sync and async, so that
everything that asks for those finds them.
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
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from sessionkeeper.auth import lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.core import client_info, context, keys
from sessionkeeper.core.errors import (
    NoTransport,
    ReauthenticationRequired,
    SessionGone,
    StaleSession,
    StoreUnavailable,
    TooManySessions,
    TooManyTries,
)
from sessionkeeper.core.records import BEARER
from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.engine import principal
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http import problems
from sessionkeeper.http.client_address import address_in
from sessionkeeper.http.transports import Bearer, Cookie
from sessionkeeper.middleware import commit, forgotten_login, htmx, responses
from sessionkeeper.stores.database.errors import outage_of
from sessionkeeper.stores.factory import run_in_loop

_SERVER_ERROR = 500


class SessionMiddleware(DjangoSessionMiddleware):
    """Attaches a lazy ``request.session``; on the way out writes what changed, once."""

    #: By this the notices, which are below this module, know it and its subclasses in ``MIDDLEWARE``.
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
        cookie, token = Cookie.read(request), Bearer.read(request)
        other_cookies = Cookie.other_cookies(request) if token is None and cookie is not None else ()
        if other_cookies:  # the engine looks at nothing that is too short to be a key
            cookie = next((one for one in (cookie, *other_cookies) if keys.parse(one) is not None), cookie)
        session: Any = self.SessionStore(cookie) if token is None else BearerSession(token)
        session.principal_wanted, session.touches_on_load = True, False
        session.other_cookies = other_cookies
        session.client.source = partial(address_in, request.META)  # for who writes
        session.client.user_agent = request.META.get("HTTP_USER_AGENT", "")
        # What a request brings may have been on its way for long, when it has a body: an upload that a proxy
        # has kept until it was whole. Its key is no proof of a copy.
        session._active.detect_reuse = not _has_body(request)
        client_info.current.set(session.client)
        request.session = session
        if token is None:
            return None
        if cookie is not None:
            request.session = self.SessionStore()
            return responses.refuse_both(request)
        # No cookie is read for this request, so nobody can send it through a browser that is signed in.
        fetch_metadata.mark_checked(request)
        return None

    def __call__(self, request: HttpRequest) -> Any:
        """Handle a request. An outage that even Django's error page stumbled over is answered here."""
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
        """Handle a request in the event loop. A thread is taken only to write, if the store needs one."""
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
        return await (sync_to_async(finish)() if lockout.is_open() else run_in_loop(finish))

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """Answer 503 when the store did not: an outage is not a logout, the cookie stays."""
        session: Any = getattr(request, "session", None)
        if isinstance(exception, NoTransport):
            return responses.no_session(request, session)
        if isinstance(exception, ReauthenticationRequired):
            return responses.ask_again(request)
        if isinstance(exception, TooManySessions):
            return responses.too_many_sessions(request, session)
        if isinstance(exception, TooManyTries):
            headers = {"Retry-After": str(exception.retry_after)}
            return problems.THROTTLED.response(request, headers=headers)
        signs_in = isinstance(session, SessionStore) and session._active.signing_in
        if isinstance(exception, Error) and signs_in:
            # Django's own part of a sign-in, the time of the last one say: nobody is signed in without it.
            exception = outage_of(exception) or exception
        return responses.unavailable(request, exception) if isinstance(exception, StoreUnavailable) else None

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Write what changed, and the cookie only when the key or its life did."""
        if "HTTP_HX_REQUEST" in request.META:
            response = htmx.lead_out(request, response)
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return super().process_response(request, response)
        if settings.DEBUG:
            forgotten_login.end(request, response)
        if session.outage is not None and response.status_code == _SERVER_ERROR:
            # Another middleware met the outage, and Django has made an error page of it.
            return responses.unavailable(request, session.outage)
        return self._commit(request, response, session)

    def _commit(self, request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> Any:
        try:
            if lockout.under_way.get() is not None and (wait := lockout.settle()):
                responses.say_refused(response, wait)
            commit.commit(request, response, session)
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
    """Whether the way out may reach the store."""
    session = getattr(request, "session", None)
    if (
        not isinstance(session, SessionStore)
        or settings.SESSION_SAVE_EVERY_REQUEST
        or session.modified
        or lockout.is_open()
    ):
        return True
    return session._active.upkeep_due()


def _has_body(request: HttpRequest) -> bool:
    return (
        request.META.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in request.META
    )


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Attaches ``request.user`` and ``request.auser``, taken from what the session's one read brought."""

    async def __acall__(self, request: HttpRequest) -> Any:
        """Handle a request in the event loop: attaching what is lazy needs no thread."""
        self.process_request(request)
        return await self.get_response(request)  # type: ignore[misc]

    def process_request(self, request: HttpRequest) -> None:
        """Nothing is read before somebody asks who this is."""
        if not isinstance(getattr(request, "session", None), SessionStore):
            super().process_request(request)
            return
        request.user = SimpleLazyObject(partial(principal.get_user, request))  # type: ignore[assignment]
        request.auser = partial(principal.aget_user, request)
