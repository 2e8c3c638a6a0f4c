"""Authentication classes for Django REST Framework.

DRF imports this module while it imports its own views, so nothing here may import those.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from sessionkeeper import csrf, fetch_metadata
from sessionkeeper.record import COOKIE


class CsrfFailed(exceptions.PermissionDenied):
    """The CSRF check refused the request. DRF's own handler shows ``detail`` and ``code`` of it."""

    def __init__(self, reason: str) -> None:
        self.problem, detail = csrf.explain(reason)
        code = self.problem.code
        super().__init__(
            {
                "detail": exceptions.ErrorDetail(detail, code),
                "code": exceptions.ErrorDetail(code, code),
            },
            code,
        )


class SessionAuthentication(authentication.SessionAuthentication):
    """DRF's session authentication, with answers that say what to do.

    Not signed in: 401 with ``WWW-Authenticate`` (DRF's own class answers 403). Signed in and not allowed:
    403. Signed in, an unsafe method and no CSRF token: 403 that names the cookie, the header and the
    endpoint. Bearer sessions are left to :class:`TokenAuthentication`.
    """

    realm = "api"

    def authenticate(self, request: Request) -> Any:
        """Return the user whom the session in the cookie authenticates, or None."""
        session = getattr(django_request(request), "session", None)
        if getattr(session, "transport", COOKIE) != COOKIE:
            return None
        return super().authenticate(request)

    def challenge(self, request: Request) -> str:
        """Return this scheme's part of ``WWW-Authenticate``."""
        return f'Session realm="{self.realm}"'

    def authenticate_header(self, request: Request) -> str:
        """Return the challenges of the view, which make DRF answer 401."""
        return challenges(request, self)

    def enforce_csrf(self, request: Request) -> None:
        """Ask where the request comes from, then run Django's own check if the browser did not say.

        Raises:
            CsrfFailed: one of them refused the request.
        """
        wrapped = django_request(request)
        if wrapped.method in fetch_metadata.SAFE_METHODS:
            return
        check = authentication.CSRFCheck(_never_called)
        check.process_request(wrapped)
        reason = fetch_metadata.check(wrapped) or check.process_view(wrapped, _never_called, (), {})
        if reason:
            raise CsrfFailed(str(reason))


class CheckedSessionAuthentication(SessionAuthentication):
    """Also checks unsafe requests in which nobody is signed in: login and logout ride on cookies too."""

    def authenticate(self, request: Request) -> Any:
        """Check first, then look who it is."""
        self.enforce_csrf(request)
        return super().authenticate(request)


def challenges(request: Request, first: Any) -> str:
    """Return the challenges of all our classes in a view: DRF itself names only the ``first`` one's."""
    ours = [one for one in request.authenticators or () if hasattr(one, "challenge")]
    return ", ".join([one.challenge(request) for one in ours or [first]])


def django_request(request: Request) -> HttpRequest:
    """Return the request that DRF's request wraps."""
    wrapped: HttpRequest = request._request  # noqa: SLF001 - DRF has no other name for it
    return wrapped


def _never_called(request: Any) -> Any:  # pragma: no cover
    """Stand where Django expects the next middleware."""
