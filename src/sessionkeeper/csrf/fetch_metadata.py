"""CSRF protection by headers that browsers set and pages cannot forge; without a token if these suffice.

``Sec-Fetch-Site`` tells the relation of the page to this site, ``Origin`` the page's origin. Browsers send
both with every unsafe request, the first only over HTTPS and to loopback addresses. If they do not suffice,
Django's check decides: its middleware, token, cookie and settings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.middleware.csrf import REASON_BAD_ORIGIN
from django.urls import get_callable
from django.utils.http import is_same_domain
from django.utils.log import log_response

from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import COOKIE
from sessionkeeper.csrf import exempt_views
from sessionkeeper.http import transports

logger = logging.getLogger("django.security.csrf")

#: Two slashes at the start, and characters that browsers drop or turn into a slash.
_ODD = re.compile(r"^//|[\x00-\x1f\\]")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


#: Why a request of the site's own page is refused: the reason for the CSRF failure view.
OF_ANOTHER_USER = "CSRF token of another user - somebody else has signed in since the page was opened."
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Verdict(Enum):
    """What the headers say. The value of a refused one is the reason for the CSRF failure view."""

    #: A page of this origin sent the request: no token is needed.
    OWN = "own"
    #: Nobody says so, or a trusted origin sent it: Django's check of origin and token decides.
    TOKEN = "token"  # noqa: S105 - no secret
    CROSS_SITE = "Fetch Metadata check failed - another site sent the request."
    SAME_SITE = "Fetch Metadata check failed - another origin of the same site sent the request."
    CONTRADICTION = "Fetch Metadata check failed - Sec-Fetch-Site and Origin contradict each other."


REFUSED = frozenset({Verdict.CROSS_SITE, Verdict.SAME_SITE, Verdict.CONTRADICTION})


def check(request: HttpRequest) -> str | None:
    """Return why an unsafe request is refused; None if it passes or Django's check has to decide.

    A request that passes is marked, so that Django's middleware and decorators and REST framework accept it.
    """
    if (
        getattr(request, "csrf_processing_done", False)
        or request.method in SAFE_METHODS
        or getattr(request, "_dont_enforce_csrf_checks", False)  # set by Django's test client
    ):
        return None
    verdict = judge(request)
    if verdict is Verdict.OWN:
        mark_checked(request)
    return verdict.value if verdict in REFUSED else None


def of_another_user(request: HttpRequest) -> str | None:
    """Return why a request from a page that was opened for another user is refused; None if it is not.

    The token of the page names its user, if one was signed in. Pages from before a sign-in, of earlier
    sign-ins of the same user, and without a token pass.
    """
    secret = transports.csrf_secret_of(_token(request))
    if not transports.names_somebody(secret) or secret.value == request.META.get(transports.CSRF_SECRET):
        return None
    session = getattr(request, "session", None)
    if session is None or getattr(session, "transport", COOKIE) != COOKIE:
        return None
    user = session.get(SESSION_KEY)
    return None if user is None or transports.names(secret, str(user)) else OF_ANOTHER_USER


def _token(request: HttpRequest) -> Secret[str]:
    """Return the token of a request, from where Django reads it; empty if there is none."""
    given = Secret("")
    if _is_form(request):
        # If the connection broke, the view will notice.
        with suppress(UnreadablePostError):
            given = Secret(request.POST.get("csrfmiddlewaretoken", ""))
    return given if given.value else Secret(request.META.get(settings.CSRF_HEADER_NAME, ""))


def _is_form(request: HttpRequest) -> bool:
    return request.method == "POST" and request.content_type in _FORMS


def mark_checked(request: HttpRequest) -> None:
    """Mark the request as accepted by Django's CSRF check, so that no later check requires a token.

    The first mark is Django's own. Code that repeats Django's check removes it, as django-ninja does for its
    cookies; the second one stays.
    """
    request.csrf_processing_done = True  # type: ignore[attr-defined]
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined] # noqa: SLF001 - see above


def judge(request: HttpRequest) -> Verdict:
    """Return what the headers of an unsafe request say."""
    site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    match site:
        case None:
            is_own = origin is not None and origin.lower() == own_origin(request)
            return Verdict.OWN if is_own else Verdict.TOKEN
        case "same-origin":
            return _of_same_origin(request, origin)
        case "cross-site" | "same-site":
            if origin is not None and is_trusted(origin):
                return Verdict.TOKEN
            return Verdict.CROSS_SITE if site == "cross-site" else Verdict.SAME_SITE
        case _:  # "none", an unknown value, or the header twice
            return Verdict.TOKEN


def _of_same_origin(request: HttpRequest, origin: str | None) -> Verdict:
    own = own_origin(request)
    if own is None or origin == "null":
        return Verdict.TOKEN
    if origin is None or origin.lower() == own or is_trusted(origin):
        return Verdict.OWN
    return Verdict.CONTRADICTION


def foreign(request: HttpRequest) -> str | None:
    """Return why an unsafe request seems to come from a page of another site; None if it does not.

    Unlike :func:`check`, this needs no token where the headers do not say: it is for requests that have none.
    """
    verdict, origin = judge(request), request.META.get("HTTP_ORIGIN")
    if verdict in REFUSED:
        return str(verdict.value)
    if verdict is Verdict.OWN or origin is None or is_trusted(origin):
        return None
    return str(REASON_BAD_ORIGIN % origin)


def own_origin(request: HttpRequest) -> str | None:
    """Return the origin at which the request reached this site; None if the host is not allowed."""
    try:
        host = request.get_host().lower()
    except DisallowedHost:
        return None
    secure = request.is_secure()
    # Browsers leave the default port out of Origin; a proxy may have added it to Host.
    host = host.removesuffix(":443" if secure else ":80")
    return f"{'https' if secure else 'http'}://{host}"


def may_leave(address: str) -> bool:
    """Return whether a browser may take a URL without a host for one of another site."""
    return _ODD.search(address) is not None


def is_trusted(origin: str) -> bool:
    """Return whether ``CSRF_TRUSTED_ORIGINS`` lists the origin, by Django's rules."""
    if "*" not in origin and origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    patterns = [urlsplit(each) for each in settings.CSRF_TRUSTED_ORIGINS if "*" in each]
    return any(
        given.scheme == pattern.scheme and is_same_domain(given.netloc, pattern.netloc.lstrip("*"))
        for pattern in patterns
    )


class FetchMetadataMiddleware:
    """Lets requests of the site's own pages pass without a token, and refuses those of other sites.

    Put it before Django's ``CsrfViewMiddleware``, which checks the rest. Views marked with ``csrf_exempt``
    stay exempt, but for pages of other sites they open no session and sign nobody in, unless
    ``SESSIONKEEPER["CROSS_SITE_VIEWS"]`` lists them. If the page sends a token, which needs not be current,
    it must not be from a page that was opened while another user was signed in. The session is read only for
    tokens that are not current.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view = self._aprocess_view  # type: ignore[method-assign]  # needs no thread

    def __call__(self, request: HttpRequest) -> Any:
        """Pass the request on. It is checked when the view is known."""
        if iscoroutinefunction(self):
            return self.__acall__(request)
        response = self.get_response(request)
        if exempt_views.CLOSED in vars(request):
            response = exempt_views.reopen_session(request, response)
        if settings.CSRF_COOKIE_NAME in response.cookies:  # so that a frame has a token
            transports.partition(response, settings.CSRF_COOKIE_NAME)
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        response = await self.get_response(request)
        if exempt_views.CLOSED in vars(request):
            response = exempt_views.reopen_session(request, response)
        transports.partition(response, settings.CSRF_COOKIE_NAME)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        """Return the response if the request is refused."""
        if request.method in SAFE_METHODS:
            return None
        reason = check(request)
        if getattr(view, "csrf_exempt", False):
            _close_session(request, view)
            return None
        if reason is None and _has_passed(request):
            reason = of_another_user(request)
        return None if reason is None else refuse(request, reason)

    async def _aprocess_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        if request.method in SAFE_METHODS:
            return None
        reason = check(request)
        if getattr(view, "csrf_exempt", False):
            _close_session(request, view)
            return None
        if reason is None and _has_passed(request):
            if not (_is_form(request) or settings.CSRF_HEADER_NAME in request.META):
                return None
            reason = await sync_to_async(of_another_user)(request)
        # The project's failure view may make queries.
        return None if reason is None else await sync_to_async(refuse)(request, reason)


def _has_passed(request: HttpRequest) -> bool:
    """Return whether :func:`check`, and not Django's, has accepted an unsafe request."""
    return request.method not in SAFE_METHODS and getattr(request, "csrf_processing_done", False)


def _close_session(request: HttpRequest, view: Any) -> None:
    if getattr(request, "csrf_processing_done", False) or getattr(
        request, "_dont_enforce_csrf_checks", False
    ):
        return
    reason = None if request.META.get("HTTP_SEC_FETCH_SITE") == "same-origin" else foreign(request)
    if reason is not None and not exempt_views.is_for_other_sites(request, view):
        exempt_views.close_session(request, reason)


def refuse(request: HttpRequest, reason: str) -> HttpResponse:
    """Respond as Django's check does, with ``CSRF_FAILURE_VIEW`` and a line in its log."""
    response: HttpResponse = get_callable(settings.CSRF_FAILURE_VIEW)(request, reason=reason)
    log_response(
        "Forbidden (%s): %s", reason, request.path, response=response, request=request, logger=logger
    )
    return response
