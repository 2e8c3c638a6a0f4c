"""Permissions for your own views, beside those of Django REST Framework."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework.permissions import AND, OR, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessionkeeper import sessions, stepup
from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.problems import ReauthenticationNeeded
from sessionkeeper.api.token_authentication import restricted_to
from sessionkeeper.engine import SessionStore
from sessionkeeper.problems import INSUFFICIENT_SCOPE


class ScopePermission(BasePermission):
    """Base of what :func:`HasScope` returns."""

    scopes: frozenset[str] = frozenset()
    message = INSUFFICIENT_SCOPE.detail
    code = INSUFFICIENT_SCOPE.code

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether somebody is signed in, in a session without scopes or with all of these."""
        user: Any = request.user  # None where UNAUTHENTICATED_USER says so
        if not (user and user.is_authenticated):
            return False
        given = restricted_to(django_request(request))
        return given is None or self.scopes <= set(given)


def HasScope(*scopes: str) -> type[ScopePermission]:  # noqa: N802 - it stands where a class does
    """Return a permission class that opens a view to bearer sessions with all of these scopes.

    A bearer session that was begun with scopes gets into no view that does not ask for one; without any,
    ``HasScope()`` lets it in whatever its scopes are. Sessions in a cookie and bearer sessions without scopes
    may do what their user may, and so may users whom other authentication classes bring.
    """
    return type("HasScope", (ScopePermission,), {"scopes": frozenset(scopes)})


class RecencyPermission(BasePermission):
    """Base of what :func:`RecentlyAuthenticated` returns."""

    within: timedelta | None = None
    level = 0

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether somebody is signed in, by a proof that is recent enough.

        The session has to be that of ``request.user``: a token of another kind says nothing of when a
        password was given in the session of a cookie that happens to come along.

        Raises:
            ReauthenticationNeeded: somebody is signed in, and the proof is older.
        """
        user: Any = request.user
        if not (user and user.is_authenticated):
            return False
        session: Any = getattr(django_request(request), "session", None)
        if not isinstance(session, SessionStore) or sessions.user_of(session) != user.pk:
            return False
        if not stepup.is_recent(django_request(request), self.within, self.level):
            raise ReauthenticationNeeded
        return True


def RecentlyAuthenticated(  # noqa: N802 - it stands where a class does
    *, within: timedelta | None = None, level: int = 0
) -> type[RecencyPermission]:
    """Return a permission class that asks for a proof of a credential within this time.

    ``within`` is ``REAUTHENTICATE_AFTER`` by default, ``level`` 2 asks for two factors in that proof. Who is
    not signed in gets the view's 401, whose proof is older a 403 ``reauthentication_required``.
    """
    return type("RecentlyAuthenticated", (RecencyPermission,), {"within": within, "level": level})


def asks_for_scope(permission: Any) -> bool:
    """Whether nobody gets through ``permission`` without a look at the scopes."""
    if isinstance(permission, AND | OR):
        sides: Any = permission  # the stubs know no operands
        each = asks_for_scope(sides.op1), asks_for_scope(sides.op2)
        return any(each) if isinstance(permission, AND) else all(each)
    return isinstance(permission, ScopePermission)
