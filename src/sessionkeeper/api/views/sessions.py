"""The user's own sessions: list, end one, the others, or all."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from sessionkeeper.api.requests import django_request
from sessionkeeper.api.serializers import session_json
from sessionkeeper.api.views.base import Endpoint
from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.history import history_for

#: Sessions that a list looks at in one go, and counts; of more its last page leads on.
AT_ONCE = 200
#: The query parameter that names the session before which a list goes on.
BEFORE = "before"
#: Ended sessions that are looked at.
MOST_ENDED = 500


class Pages(PageNumberPagination):
    """Twenty sessions a page; ``?page_size=`` asks for up to a hundred."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"


class SessionPages(Pages):
    """Pages of a long list; the last one leads on to the sessions before."""

    before: str | None = None

    def get_next_link(self) -> str | None:
        """Return the address of what comes next."""
        link = super().get_next_link()
        if link is not None or self.before is None:
            return link
        request: Any = self.request
        address = remove_query_param(request.build_absolute_uri(), self.page_query_param)
        return str(replace_query_param(address, BEFORE, self.before))


class SessionsView(Endpoint):
    """List the user's live sessions, this one first."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of the list."""
        current_id = registry.current_id(django_request(request))
        records, rest = registry.page_for(request.user, current_id, AT_ONCE, _newest(request))
        pages = SessionPages()
        pages.before = None if rest is None else keys.encode_id(rest + 1)
        page: Any = pages.paginate_queryset(records, request, view=self)
        return pages.get_paginated_response([session_json(record, current_id=current_id) for record in page])


class HistoryView(Endpoint):
    """List the user's ended sessions, the latest first, as far back as the audit trail goes."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of the list."""
        pages = Pages()
        page: Any = pages.paginate_queryset(history_for(request.user, MOST_ENDED), request, view=self)
        return pages.get_paginated_response([ended.as_dict() for ended in page])


class OneSessionView(Endpoint):
    """End one session of the user."""

    permission_classes = [IsAuthenticated]

    def delete(self, request: Request, session_id: str) -> Response:
        """End the session. Another user's is answered like one that never was (OWASP ASVS 5.0, 8.2.2)."""
        number = keys.parse_id(session_id)
        if number is None:
            raise exceptions.NotFound
        flows.revoke(django_request(request), number)
        return Response(status=204)


class RevokeOthersView(Endpoint):
    """End all sessions of the user but this one."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End the sessions."""
        return Response({"revoked": flows.revoke_others(django_request(request))})


class RevokeAllView(Endpoint):
    """End all sessions of the user."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End the sessions, this one last."""
        revoked = flows.revoke_all(django_request(request))
        request.user = AnonymousUser()
        return Response({"revoked": revoked})


def _newest(request: Request) -> int:
    """Return the id from which on a list goes down."""
    text = request.query_params.get(BEFORE)
    if text is None:
        return keys.MAX_ID
    number = keys.parse_id(text)
    if not number:
        raise exceptions.NotFound
    return number - 1
