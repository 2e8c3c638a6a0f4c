"""The user's own sessions: list them, end one, the others, or all."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from sessionkeeper import flows, keys, sessions
from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.serializers import ended_json, session_json
from sessionkeeper.api.views import Endpoint
from sessionkeeper.errors import NoSuchSession
from sessionkeeper.history import history_for

#: Ended sessions that are looked at.
MOST_ENDED = 500


class Pages(PageNumberPagination):
    """Twenty sessions a page; ``?page_size=`` asks for up to a hundred."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"


class SessionsView(Endpoint):
    """All live sessions of the user, this one first."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of them."""
        current_id = _current_id(request)
        records = sorted(
            sessions.list_for(request.user), key=lambda record: (record.id != current_id, -record.id)
        )
        pages = Pages()
        page: Any = pages.paginate_queryset(records, request, view=self)
        return pages.get_paginated_response([session_json(record, current_id=current_id) for record in page])


class HistoryView(Endpoint):
    """The user's sessions that are over, the latest first, as far back as the audit trail goes."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Return a page of them."""
        pages = Pages()
        page: Any = pages.paginate_queryset(history_for(request.user, MOST_ENDED), request, view=self)
        return pages.get_paginated_response([ended_json(ended) for ended in page])


class OneSessionView(Endpoint):
    """One session of the user."""

    permission_classes = [IsAuthenticated]

    def delete(self, request: Request, session_id: str) -> Response:
        """End it. Another user's is not told apart from one that never was (OWASP ASVS 5.0, 8.2.2)."""
        number = keys.parse_id(session_id)
        if number is None:
            raise exceptions.NotFound
        try:
            flows.revoke(django_request(request), number)
        except NoSuchSession as error:
            raise exceptions.NotFound from error
        return Response(status=204)


class RevokeOthersView(Endpoint):
    """All sessions of the user but this one."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End them."""
        return Response({"revoked": flows.revoke_others(django_request(request))})


class RevokeAllView(Endpoint):
    """All sessions of the user."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        """End them, this one last."""
        revoked = flows.revoke_all(django_request(request))
        request.user = AnonymousUser()
        return Response({"revoked": revoked})


def _current_id(request: Request) -> int | None:
    session: Any = django_request(request).session
    return None if session.handle.key is None else session.handle.key.id
