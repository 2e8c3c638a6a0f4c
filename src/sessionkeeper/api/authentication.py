"""Authentication classes for Django REST Framework.

DRF imports this module while it imports its own views, so nothing here may import those.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from sessionkeeper.api.scopes import asks_for_scope, restricted_to
from sessionkeeper.core.records import COOKIE
from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.engine import principal
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.closed_session import ClosedSession
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http.problems import INSUFFICIENT_SCOPE, TOKEN_INVALID
from sessionkeeper.http.transports import Bearer


def django_request(request: Request) -> HttpRequest:
    """Return Django's request, which DRF's request wraps."""
    wrapped: HttpRequest = request._request  # noqa: SLF001 - DRF has no other name for it
    return wrapped


class CsrfFailed(exceptions.PermissionDenied):
    """The CSRF check refused the request. DRF's own handler shows its ``detail`` and ``code``."""

    def __init__(self, reason: str) -> None:
        self.problem, detail = csrf_problems.explain(reason)
        code = self.problem.code
        super().__init__({"detail": detail, "code": code}, code)


class SessionAuthentication(authentication.SessionAuthentication):
    """DRF's session authentication, with responses that say what to do.

    Anonymous requests get a 401 with ``WWW-Authenticate`` (DRF's own class answers 403). Users without
    permission get a 403. Unsafe requests without a CSRF token get a 403 that names the cookie, the header and
    the endpoint. Bearer sessions are left to :class:`TokenAuthentication`.
    """

    realm = "api"

    def authenticate(self, request: Request) -> Any:
        """Return the user whom the session in the cookie authenticates, or None."""
        session = getattr(django_request(request), "session", None)
        if getattr(session, "transport", COOKIE) != COOKIE:
            return None
        if isinstance(session, ClosedSession):
            self.enforce_csrf(request)  # its error says more than that of the session
        return super().authenticate(request)

    def challenge(self, request: Request) -> str:
        """Return the challenge of this scheme for ``WWW-Authenticate``."""
        return f'Session realm="{self.realm}"'

    def authenticate_header(self, request: Request) -> str:
        """Return the challenges of the view, so that DRF answers 401."""
        return challenges(request, self)

    def enforce_csrf(self, request: Request) -> None:
        """Check the origin of the request, and run Django's own check if the browser did not send one.

        Raises:
            CsrfFailed: one of the checks refused the request.
        """
        wrapped = django_request(request)
        if wrapped.method in fetch_metadata.SAFE_METHODS:
            return
        check = authentication.CSRFCheck(_never_called)
        check.process_request(wrapped)
        reason = (
            fetch_metadata.check(wrapped)
            or fetch_metadata.of_another_user(wrapped)
            or check.process_view(wrapped, _never_called, (), {})
        )
        if reason:
            raise CsrfFailed(str(reason))


class CheckedSessionAuthentication(SessionAuthentication):
    """Also checks anonymous unsafe requests, because login and logout depend on cookies too."""

    def authenticate(self, request: Request) -> Any:
        """Run the CSRF check, then return the user."""
        self.enforce_csrf(request)
        return super().authenticate(request)


def challenges(request: Request, first: Any) -> str:
    """Return the challenges of all our classes in a view. DRF itself sends only that of the ``first``."""
    ours = [one for one in request.authenticators or () if hasattr(one, "challenge")]
    return ", ".join([one.challenge(request) for one in ours or [first]])


def _never_called(request: HttpRequest) -> Any:  # pragma: no cover
    """Stand in for the next middleware, which Django's check never calls."""


class TokenInvalid(exceptions.AuthenticationFailed):
    """No session has this bearer token. Malformed, unknown, expired and revoked tokens look alike."""

    default_code = TOKEN_INVALID.code
    default_detail = TOKEN_INVALID.detail


class TokenAuthentication(authentication.BaseAuthentication):
    """Authentication by the bearer session of ``Authorization: Bearer sess_…``.

    No cookie is involved, so there is no CSRF check. A token without a session gets a 401 with
    ``error="invalid_token"``. Other tokens are left to other classes. Put classes that refuse foreign tokens
    after this one.

    A session with scopes is accepted only by views whose permissions require scopes: see
    :func:`sessionkeeper.api.HasScope`.
    """

    realm = "api"

    def authenticate(self, request: Request) -> Any:
        """Return the user and the session, or None if the request has none of our tokens.

        Raises:
            TokenInvalid: the token has no session.
            PermissionDenied: its session has scopes, and the view requires none.
        """
        wrapped = django_request(request)
        session = getattr(wrapped, "session", None)
        if Bearer.read(wrapped) is None:
            Bearer.met = True
            if isinstance(session, SessionStore):
                session.token_wanted = True  # the response depends on it
            return None
        if not isinstance(session, BearerSession):
            raise ImproperlyConfigured(
                "sessionkeeper.api.TokenAuthentication needs sessionkeeper.middleware.SessionMiddleware."
            )
        scopes = restricted_to(wrapped)
        # For Django's own views, nobody is signed in to a session with scopes.
        user = (
            getattr(wrapped, "user", None) if scopes is None else principal.get_user(wrapped, in_scope=True)
        )
        if user is None or not user.is_authenticated:
            raise TokenInvalid
        if scopes is not None and not _asks_for_scope(request):
            raise exceptions.PermissionDenied(INSUFFICIENT_SCOPE.detail, INSUFFICIENT_SCOPE.code)
        return user, session

    def challenge(self, request: Request) -> str:
        """Return the challenge of this scheme for ``WWW-Authenticate`` (RFC 6750, section 3)."""
        refused = Bearer.read(django_request(request)) is not None
        return f'Bearer realm="{self.realm}"' + (', error="invalid_token"' if refused else "")

    def authenticate_header(self, request: Request) -> str:
        """Return the challenges of the view, so that DRF answers 401."""
        return challenges(request, self)


def _asks_for_scope(request: Request) -> bool:
    view = (request.parser_context or {}).get("view")
    return view is not None and any(asks_for_scope(permission) for permission in view.get_permissions())
