"""The user's own sessions: list them, and end one, the others, or all."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.serializers import session_json
from sessionkeeper.api.views.base import Endpoint
from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.history import history_for

#: How many sessions a list reads and counts. Its last page links to the rest.
AT_ONCE = 200
#: The query parameter that names the session before which a list continues.
BEFORE = "before"
#: How many ended sessions the history contains at most.
MOST_ENDED = 500


class Pages(PageNumberPagination):
    """Pages of twenty sessions, or up to a hundred with ``?page_size=``."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"


class SessionPages(Pages):
    """Pages of a long list. The last one links to the earlier sessions."""

    before: str | None = None

    def get_next_link(self) -> str | None:
        """Return the URL of the next page, or of the earlier sessions."""
        link = super().get_next_link()
        if link is not None or self.before is None:
            return link
        request: Any = self.request
        address = remove_query_param(request.build_absolute_uri(), self.page_query_param)
        return str(replace_query_param(address, BEFORE, self.before))


class SessionsView(Endpoint):
    """List the user's live sessions, the current one first."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of the list."""
        flows.require_own(django_request(request))
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
        flows.require_own(django_request(request))
        pages = Pages()
        page: Any = pages.paginate_queryset(history_for(request.user, MOST_ENDED), request, view=self)
        return pages.get_paginated_response([ended.as_dict() for ended in page])


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


def _newest(request: Request) -> int:
    """Return the highest session id of a list."""
    text = request.query_params.get(BEFORE)
    if text is None:
        return keys.MAX_ID
    number = keys.parse_id(text)
    if not number:
        raise exceptions.NotFound
    return number - 1
