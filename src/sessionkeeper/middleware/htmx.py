"""Redirects the whole page, with ``HX-Redirect``, if htmx requests a fragment and would get the login page.

A browser follows other redirects itself, so that htmx would swap the login page into the fragment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch
from django.utils.cache import patch_vary_headers

from sessionkeeper.csrf.fetch_metadata import may_leave, own_origin

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: The pages that ask for a password: to sign in, or to reauthenticate.
_DOORS = ("sessionkeeper-pages:login", "sessionkeeper-pages:reauthenticate")


def is_asked(request: HttpRequest) -> bool:
    """Return whether htmx sent the request."""
    return request.META.get("HTTP_HX_REQUEST") == "true"


def lead_out(request: HttpRequest, response: Any) -> Any:
    """Return a response that redirects the whole page where ``response`` would redirect the fragment.

    Only for the pages that ask for a password: other redirects lead to fragments.
    """
    if response.status_code not in _REDIRECTS or not is_asked(request):
        return response
    location = response.headers.get("Location", "")
    target = urlsplit(location)
    if not any(target[:3] == door[:3] for door in _doors()):  # scheme, host and path
        return response
    answer = HttpResponse()
    answer.cookies = response.cookies
    for name, value in response.headers.items():
        if name not in {"Location", "Content-Length", "Content-Type"}:
            answer.headers[name] = value
    is_whole = "HTTP_HX_BOOSTED" in request.META or "HTTP_HX_HISTORY_RESTORE_REQUEST" in request.META
    answer.headers["HX-Redirect"] = location if is_whole else _with_page(request, target)
    answer.headers["Cache-Control"] = "no-store, private"
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _doors() -> Iterator[SplitResult]:
    for door in (settings.LOGIN_URL, *_DOORS):
        with suppress(NoReverseMatch):
            yield urlsplit(resolve_url(door))


def _with_page(request: HttpRequest, target: SplitResult) -> str:
    """Return the URL of the target, with the page instead of the fragment to come back to."""
    page = _page(request, absolute=bool(target.netloc))
    fragment = {request.get_full_path(), request.build_absolute_uri()}
    query = []
    for name, value in parse_qsl(target.query, keep_blank_values=True):
        if name != REDIRECT_FIELD_NAME and value not in fragment:
            query.append((name, value))
        elif page is not None:
            query.append((name, page))
    return target._replace(query=urlencode(query)).geturl()


def _page(request: HttpRequest, *, absolute: bool) -> str | None:
    """Return the page of the fragment, if it is of the same origin (CWE-601)."""
    try:
        page = urlsplit(request.META.get("HTTP_HX_CURRENT_URL", ""))
    except ValueError:
        return None
    default = ":443" if page.scheme == "https" else ":80"
    origin = f"{page.scheme}://{page.netloc.removesuffix(default)}".lower()
    path = page._replace(scheme="", netloc="", fragment="").geturl()
    if origin != own_origin(request) or not page.path.startswith("/") or may_leave(page.path):
        return None
    return f"{origin}{path}" if absolute else path
