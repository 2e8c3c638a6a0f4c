"""Responses of the middleware itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse

from sessionkeeper.core.records import KeyStatus
from sessionkeeper.http import problems
from sessionkeeper.http.transports import Bearer, Cookie, forbid_caching
from sessionkeeper.middleware import htmx

if TYPE_CHECKING:
    from sessionkeeper.core.errors import StoreUnavailable
    from sessionkeeper.engine.session_store import SessionStore

#: The page of ``sessionkeeper.pages.urls`` for reauthentication.
REAUTHENTICATE_ROUTE = "sessionkeeper-pages:reauthenticate"
#: The challenge of a 401 for a refused token (RFC 6750, section 3).
BEARER_CHALLENGE = 'Bearer realm="api", error="invalid_token"'


def say_refused(response: HttpResponseBase, wait: int) -> None:
    """Turn a 200 that shows the form again because an attempt was refused into a 429."""
    if response.status_code == HTTPStatus.OK:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(wait)


def take_cookie(response: HttpResponseBase) -> None:
    """Delete the cookie, and keep the response out of caches."""
    Cookie.clear(response)
    Cookie.vary(response)
    forbid_caching(response)


def unavailable(request: HttpRequest, error: StoreUnavailable) -> Any:
    """Return the 503 for an outage of the store."""
    return problems.STORE_UNAVAILABLE.response(request, headers={"Retry-After": str(error.retry_after)})


def ask_again(request: HttpRequest) -> Any:
    """Return the answer to a request that needs reauthentication: the page for it, or a problem.

    Only a GET by a browser or htmx is redirected: after a form, what was typed would be lost.
    """
    try:
        page = reverse(REAUTHENTICATE_ROUTE)
    except NoReverseMatch:
        page = None
    is_page = problems.prefers_html(request) or htmx.is_asked(request)
    if page is None or request.method != "GET" or not is_page:
        return problems.REAUTHENTICATION_REQUIRED.response(request)
    response = redirect(f"{page}?{urlencode({'next': request.get_full_path()})}")
    response["Vary"] = "Accept"
    return response


def refuse_both(request: HttpRequest) -> Any:
    """Return the 400 for a request with both a cookie and a token."""
    response = problems.TWO_TRANSPORTS.response(request)
    Cookie.vary(response)
    Bearer.vary(response)
    return response


def no_session(request: HttpRequest, session: SessionStore) -> Any:
    """Return the error for a request that would begin a session whose key cannot reach the client."""
    if session._active.verdict is not KeyStatus.LIVE:
        return token_invalid(request)
    response = problems.NO_TRANSPORT.response(request)
    Bearer.vary(response)
    return response


def token_invalid(request: HttpRequest) -> Any:
    """Return the 401 for a token that opens no session."""
    challenge = {"WWW-Authenticate": BEARER_CHALLENGE}
    response = problems.TOKEN_INVALID.response(request, headers=challenge)
    Bearer.vary(response)
    return response


def too_many_sessions(request: HttpRequest, session: SessionStore) -> Any:
    """Return the 409 for a sign-in beyond the limit, and end what it began: nobody is signed in."""
    response = problems.TOO_MANY_SESSIONS.response(request)
    session.flush()
    if Cookie.read(request) is not None:
        take_cookie(response)
    return response
