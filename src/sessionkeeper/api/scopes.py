"""Scopes of bearer sessions, and the permission that requires them."""

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
    """The base class of what :func:`HasScope` returns."""

    scopes: frozenset[str] = frozenset()
    message = INSUFFICIENT_SCOPE.detail
    code = INSUFFICIENT_SCOPE.code

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether a user is signed in, with a session without scopes or with all of these scopes."""
        user: Any = request.user  # None where UNAUTHENTICATED_USER says so
        if not (user and user.is_authenticated):
            return False
        given = restricted_to(request)
        return given is None or self.scopes <= set(given)


def HasScope(*scopes: str) -> type[ScopePermission]:  # noqa: N802 - used like a class
    """Return a permission class that admits bearer sessions with all of these scopes.

    Bearer sessions with scopes are admitted only by views that require scopes; ``HasScope()`` without names
    admits them whatever their scopes are. Sessions in a cookie, bearer sessions without scopes, and users
    from other authentication classes are not restricted.
    """
    return type("HasScope", (ScopePermission,), {"scopes": frozenset(scopes)})


def asks_for_scope(permission: Any) -> bool:
    """Whether ``permission`` always checks the scopes."""
    if isinstance(permission, AND | OR):
        sides: Any = permission  # the stubs know no operands
        each = asks_for_scope(sides.op1), asks_for_scope(sides.op2)
        return any(each) if isinstance(permission, AND) else all(each)
    return isinstance(permission, ScopePermission)


def restricted_to(request: HttpRequest | Request) -> list[str] | None:
    """Return the scopes to which the session of the request is restricted; None if it is not."""
    session = getattr(request, "session", None)
    return session.scopes if isinstance(session, BearerSession) else None
