"""What the middleware answers by itself, and what it does to every answer that belongs to one person."""

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

#: Where ``sessionkeeper.pages.urls`` asks for the password once more.
REAUTHENTICATE_ROUTE = "sessionkeeper-pages:reauthenticate"
#: What a 401 says where a token was refused (RFC 6750, section 3).
BEARER_CHALLENGE = 'Bearer realm="api", error="invalid_token"'


def say_refused(response: HttpResponseBase, wait: int) -> None:
    """Make 429 of an answer of 200 that shows a form again because a try was refused."""
    if response.status_code == HTTPStatus.OK:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(wait)


def take_cookie(response: HttpResponseBase) -> None:
    """Take the cookie away, and keep the answer out of caches."""
    Cookie.clear(response)
    Cookie.vary(response)
    forbid_caching(response)


def unavailable(request: HttpRequest, error: StoreUnavailable) -> Any:
    """Answer 503 when the store did not."""
    return problems.STORE_UNAVAILABLE.response(request, headers={"Retry-After": str(error.retry_after)})


def ask_again(request: HttpRequest) -> Any:
    """Answer a request that needs reauthentication: a browser is led to the page for it, if there is one.

    Only from a page, or a fragment, that it asked for: after a form what was typed would be lost.
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
    """Answer a request with a cookie and a token: which of the two it means is not for us to guess."""
    response = problems.TWO_TRANSPORTS.response(request)
    Cookie.vary(response)
    Bearer.vary(response)
    return response


def no_session(request: HttpRequest, session: SessionStore) -> Any:
    """Answer a request that would begin a session, in vain, because its client could not be given the key."""
    if session._active.verdict is not KeyStatus.LIVE:
        return token_invalid(request)
    response = problems.NO_TRANSPORT.response(request)
    Bearer.vary(response)
    return response


def token_invalid(request: HttpRequest) -> Any:
    """Answer 401 to a token that opens nothing."""
    challenge = {"WWW-Authenticate": BEARER_CHALLENGE}
    response = problems.TOKEN_INVALID.response(request, headers=challenge)
    Bearer.vary(response)
    return response


def too_many_sessions(request: HttpRequest, session: SessionStore) -> Any:
    """Answer 409 to a sign-in beyond the limit. What it began is ended: nobody is signed in."""
    response = problems.TOO_MANY_SESSIONS.response(request)
    session.flush()
    if Cookie.read(request) is not None:
        take_cookie(response)
    return response
