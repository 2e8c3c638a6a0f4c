"""CSRF protection without tokens where the browser says where a request comes from.

The fallback is Django's check: its middleware, its token, its cookie, its settings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import get_callable
from django.utils.log import log_response
from django.utils.translation import gettext as _

from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.csrf.problems import CURED_BY_TOKEN, TOKEN_INCORRECT, explain
from sessionkeeper.http import cookies
from sessionkeeper.http.problems import prefers_html

logger = logging.getLogger("django.security.csrf")


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a request that failed the check: ``CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"``."""
    problem, detail = explain(reason)
    if prefers_html(request) and problem in CURED_BY_TOKEN:
        advice = _("In a browser: allow cookies for this site, reload the page, and send the form again.")
        if problem is TOKEN_INCORRECT:
            advice = _(
                "In a browser: go back, where most browsers still have what you typed, and copy it; reload "
                "the page, paste it, and send the form again."
            )
        detail = f"{advice} {detail}"  # what a person can do comes first
    return problem.response(request, detail)


class FetchMetadataMiddleware:
    """Lets requests of the site's own pages pass without a token, and refuses those of other sites.

    It stands before Django's ``CsrfViewMiddleware``, which stays and checks the rest. Views marked with
    ``csrf_exempt`` stay exempt. It reads two headers, and asks neither session nor store.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view = self._aprocess_view  # type: ignore[method-assign]  # no thread for a look

    def __call__(self, request: HttpRequest) -> Any:
        """Pass the request on: the look at it comes when the view is known."""
        if iscoroutinefunction(self):
            return self.__acall__(request)
        response = self.get_response(request)
        if settings.CSRF_COOKIE_NAME in response.cookies:  # as the session's, or a frame has no token
            cookies.partition(response, settings.CSRF_COOKIE_NAME)
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        response = await self.get_response(request)
        cookies.partition(response, settings.CSRF_COOKIE_NAME)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        """Answer for the view when the request is refused."""
        if request.method in fetch_metadata.SAFE_METHODS:
            return None
        reason = fetch_metadata.check(request)
        return None if reason is None or getattr(view, "csrf_exempt", False) else refuse(request, reason)

    async def _aprocess_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        reason = fetch_metadata.check(request)
        if reason is None or getattr(view, "csrf_exempt", False):
            return None
        return await sync_to_async(refuse)(request, reason)  # the project's failure view may ask a database


def refuse(request: HttpRequest, reason: str) -> HttpResponse:
    """Answer as Django's check does: with ``CSRF_FAILURE_VIEW`` and a line in its log."""
    response: HttpResponse = get_callable(settings.CSRF_FAILURE_VIEW)(request, reason=reason)
    log_response(
        "Forbidden (%s): %s", reason, request.path, response=response, request=request, logger=logger
    )
    return response
