"""Permissions for your own views, beside those of Django REST Framework."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessionkeeper.api.exceptions import ReauthenticationNeeded
from sessionkeeper.api.requests import django_request
from sessionkeeper.auth import reauthentication
from sessionkeeper.engine import session_data
from sessionkeeper.engine.session_store import SessionStore


class RecencyPermission(BasePermission):
    """Base of what :func:`RecentlyAuthenticated` returns."""

    within: timedelta | None = None
    level = 0

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether somebody is signed in and has authenticated recently enough.

        The session has to be that of ``request.user``: a token of another kind says nothing of when a
        password was given in the session of a cookie that happens to come along.

        Raises:
            ReauthenticationNeeded: somebody is signed in, and last authenticated before that.
        """
        user: Any = request.user
        if not (user and user.is_authenticated):
            return False
        session = getattr(django_request(request), "session", None)
        if not isinstance(session, SessionStore) or session_data.user_of(session) != user.pk:
            return False
        if not reauthentication.is_recent(django_request(request), self.within, self.level):
            raise ReauthenticationNeeded
        return True


def RecentlyAuthenticated(  # noqa: N802 - it stands where a class does
    *, within: timedelta | None = None, level: int = 0
) -> type[RecencyPermission]:
    """Return a permission class that lets in users who have authenticated within this time.

    ``within`` is ``REAUTHENTICATE_AFTER`` by default, ``level`` 2 asks for two factors within it. Visitors
    get the view's 401, users whose authentication is older a 403 ``reauthentication_required``.
    """
    return type("RecentlyAuthenticated", (RecencyPermission,), {"within": within, "level": level})
