"""The user's own sessions: list them, and end one, the others, or all."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.views.base import Endpoint, session_json
from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.engine import history, registry

#: The query parameter that names the session before which a list continues.
BEFORE = "before"


class Pages(PageNumberPagination):
    """The size of a page: twenty sessions, or up to fifty with ``?page_size=``. Pages have no numbers."""

    page_size = 20
    max_page_size = registry.PAGE
    page_size_query_param = "page_size"


class SessionsView(Endpoint):
    """List the user's live sessions, the current one first."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of the list."""
        flows.require_own(django_request(request))
        this, before = registry.current_id(django_request(request)), _before(request)
        newest = keys.MAX_ID if before is None else before - 1
        records, rest = registry.page_for(request.user, this, _size(request), newest)
        page = [session_json(record, current_id=this) for record in records]
        return _page(request, page, None if rest is None else rest + 1)


class HistoryView(Endpoint):
    """List the user's ended sessions, the latest first, as far back as the audit trail goes."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of the list."""
        flows.require_own(django_request(request))
        page, before = history.page_for(request.user, _size(request), _before(request))
        return _page(request, [ended.as_dict() for ended in page], before)


class OneSessionView(Endpoint):
    """End one session of the user."""

    permission_classes = [IsAuthenticated]

    def delete(self, request: Request, session_id: str) -> Response:
        """End the session. Another user's is answered like an unknown one (OWASP ASVS 5.0, 8.2.2)."""
        number = keys.parse_id(session_id)
        if number is None:
            raise exceptions.NotFound
        flows.revoke(django_request(request), number)
        return Response(status=204)


class RevokeOthersView(Endpoint):
    """End all sessions of the user except the current one."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End the sessions."""
        return Response({"revoked": flows.revoke_others(django_request(request))})


class RevokeAllView(Endpoint):
    """End all sessions of the user."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End the sessions, the current one last."""
        revoked = flows.revoke_all(django_request(request))
        request.user = AnonymousUser()
        return Response({"revoked": revoked})


def _size(request: Request) -> int:
    return Pages().get_page_size(request) or Pages.page_size


def _before(request: Request) -> int | None:
    """Return the session before which a list continues; None for its first page."""
    text = request.query_params.get(BEFORE)
    number = None if text is None else keys.parse_id(text)
    if text is not None and not number:
        raise exceptions.NotFound
    return number


def _page(request: Request, results: list[dict[str, Any]], before: int | None) -> Response:
    """Return a page, with the URL of the next one."""
    address = None
    if before is not None:
        address = replace_query_param(request.build_absolute_uri(), BEFORE, keys.encode_id(before))
    return Response({"next": address, "results": results})
