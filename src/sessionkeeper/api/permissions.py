"""Permissions for your own views, in addition to those of Django REST Framework."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.exceptions import ReauthenticationNeeded
from sessionkeeper.auth import flows
from sessionkeeper.engine import principal

if TYPE_CHECKING:  # DRF imports this module while it imports its views
    from rest_framework.views import APIView


class RecencyPermission(BasePermission):
    """The base class of what :func:`RecentlyAuthenticated` returns."""

    within: timedelta | None = None
    level = 0

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether a user is signed in and has authenticated recently enough.

        The session must be that of ``request.user``. If a token of another kind authenticates the user, a
        session cookie in the same request proves nothing.

        Raises:
            ReauthenticationNeeded: the user is signed in, but has not authenticated recently enough.
        """
        user: Any = request.user  # REST framework authenticates now, and tells Django's request
        if not user:
            return False
        wrapped = django_request(request)
        if not principal.owns_session(wrapped):
            return False
        if not flows.is_recent(wrapped, self.within, self.level):
            raise ReauthenticationNeeded
        return True


def RecentlyAuthenticated(  # noqa: N802 - used like a class
    *, within: timedelta | None = None, level: int = 0
) -> type[RecencyPermission]:
    """Return a permission class that requires authentication within this time.

    ``within`` is ``REAUTHENTICATE_AFTER`` by default; ``level=2`` requires two factors. Anonymous requests
    get the view's 401. Users who authenticated longer ago get a 403, ``reauthentication_required``.
    """
    return type("RecentlyAuthenticated", (RecencyPermission,), {"within": within, "level": level})
