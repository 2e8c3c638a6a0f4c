"""Authentication by bearer token for Django REST Framework.

DRF imports this module while it imports its own views, so nothing here may import those.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from sessionkeeper import principal
from sessionkeeper.api.authentication import challenges, django_request
from sessionkeeper.bearer import BearerSession
from sessionkeeper.problems import INSUFFICIENT_SCOPE, TOKEN_INVALID
from sessionkeeper.transport import Bearer


class TokenInvalid(exceptions.AuthenticationFailed):
    """The bearer token opens no session. Malformed, unknown, expired and ended are not told apart."""

    default_code = TOKEN_INVALID.code
    default_detail = TOKEN_INVALID.detail


class TokenAuthentication(authentication.BaseAuthentication):
    """Authentication by the bearer session that ``Authorization: Bearer sess_…`` opens.

    No cookie takes part, so nothing is checked for CSRF. A token that opens no session: 401, with
    ``error="invalid_token"``. Other tokens are left to other classes, which have to stand after this one
    where they refuse what is not theirs.

    A session with scopes gets in only where a permission asks for one: see
    :func:`sessionkeeper.api.permissions.HasScope`.
    """

    realm = "api"

    def authenticate(self, request: Request) -> Any:
        """Return the user and the session, or None when no token of ours came with the request.

        Raises:
            TokenInvalid: it opens no session.
            PermissionDenied: it opens one with scopes, and the view asks for none.
        """
        wrapped: Any = django_request(request)
        if Bearer.read(wrapped) is None:
            return None
        session = getattr(wrapped, "session", None)
        if not isinstance(session, BearerSession):
            raise ImproperlyConfigured(
                "sessionkeeper.api.TokenAuthentication needs sessionkeeper.middleware.SessionMiddleware."
            )
        scopes = restricted_to(wrapped)
        # In a session with scopes nobody is signed in as far as Django's own views see.
        user = getattr(wrapped, "user", None) if scopes is None else principal.get_user(wrapped)
        if user is None or not user.is_authenticated:
            raise TokenInvalid
        if scopes is not None and not _asks_for_scope(request):
            raise exceptions.PermissionDenied(INSUFFICIENT_SCOPE.detail, INSUFFICIENT_SCOPE.code)
        return user, session

    def challenge(self, request: Request) -> str:
        """Return this scheme's part of ``WWW-Authenticate`` (RFC 6750, section 3)."""
        refused = Bearer.read(django_request(request)) is not None
        return f'Bearer realm="{self.realm}"' + (', error="invalid_token"' if refused else "")

    def authenticate_header(self, request: Request) -> str:
        """Return the challenges of the view, which make DRF answer 401."""
        return challenges(request, self)


def restricted_to(request: HttpRequest) -> list[str] | None:
    """Return the scopes that the session of the request is restricted to; None: it is not restricted."""
    session = getattr(request, "session", None)
    return session.scopes if isinstance(session, BearerSession) else None


def _asks_for_scope(request: Request) -> bool:
    from sessionkeeper.api.permissions import asks_for_scope  # DRF imports this module before its permissions

    view = (request.parser_context or {}).get("view")
    return view is not None and any(asks_for_scope(permission) for permission in view.get_permissions())
