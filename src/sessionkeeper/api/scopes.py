"""Scopes of bearer sessions, and the permission that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from rest_framework.permissions import AND, OR, BasePermission
from rest_framework.request import Request

from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.http.problems import INSUFFICIENT_SCOPE

if TYPE_CHECKING:
    from rest_framework.views import APIView


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
        given = restricted_to(request)
        return given is None or self.scopes <= set(given)


def HasScope(*scopes: str) -> type[ScopePermission]:  # noqa: N802 - it stands where a class does
    """Return a permission class that opens a view to bearer sessions with all of these scopes.

    A bearer session with scopes opens only views that ask for scopes; ``HasScope()`` without names lets it in
    whatever its scopes are. Sessions in a cookie, bearer sessions without scopes, and users from other
    authentication classes may do what their user may.
    """
    return type("HasScope", (ScopePermission,), {"scopes": frozenset(scopes)})


def asks_for_scope(permission: Any) -> bool:
    """Whether nobody gets through ``permission`` without a look at the scopes."""
    if isinstance(permission, AND | OR):
        sides: Any = permission  # the stubs know no operands
        each = asks_for_scope(sides.op1), asks_for_scope(sides.op2)
        return any(each) if isinstance(permission, AND) else all(each)
    return isinstance(permission, ScopePermission)


def restricted_to(request: HttpRequest | Request) -> list[str] | None:
    """Return the scopes that the session of the request is restricted to; None: it is not restricted."""
    session = getattr(request, "session", None)
    return session.scopes if isinstance(session, BearerSession) else None
