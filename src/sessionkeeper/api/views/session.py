"""Sign in, sign out, and who is signed in. The verbs are in :mod:`sessionkeeper.flows`."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from sessionkeeper.api.authentication import CheckedSessionAuthentication, django_request
from sessionkeeper.api.scopes import HasScope
from sessionkeeper.api.views.base import Endpoint, LoginSerializer, whoami
from sessionkeeper.auth import flows, lockout
from sessionkeeper.core.keys import Secret
from sessionkeeper.engine import principal, registry, users
from sessionkeeper.http.transports import CLEAR_SITE_DATA


@method_decorator(ensure_csrf_cookie, name="dispatch")
class CsrfView(Endpoint):
    """Return the CSRF token, in the response and in the cookie."""

    authentication_classes = [CheckedSessionAuthentication]

    def get(self, request: Request) -> Response:
        """Return the token."""
        return Response({"csrf_token": get_token(django_request(request))})


@method_decorator(lockout.counting, name="dispatch")
class LoginView(Endpoint):
    """Sign in with a username and a password."""

    authentication_classes = [CheckedSessionAuthentication]
    serializer_class = LoginSerializer

    def post(self, request: Request) -> Response:
        """Sign in."""
        given = self.validated(request)
        user = flows.log_in(
            django_request(request),
            credentials=Secret({"username": given["username"], "password": given["password"].value}),
            remember=given["remember"],
            label=given["label"],
        )
        request.user = user  # the browsable API shows it
        return Response(whoami(django_request(request), user))


class LogoutView(Endpoint):
    """Sign out. A request without a session succeeds too."""

    authentication_classes = [CheckedSessionAuthentication]

    def post(self, request: Request) -> Response:
        """End the session, if there is one."""
        flows.log_out(django_request(request))
        request.user = AnonymousUser()
        return Response(status=204, headers={"Clear-Site-Data": CLEAR_SITE_DATA})


class SessionView(Endpoint):
    """Return the signed-in user and the session."""

    permission_classes = [IsAuthenticated, HasScope()]

    def get(self, request: Request) -> Response:
        """Return user and session, null if it is not this user's, as with ``force_authenticate()``."""
        wrapped = django_request(request)
        if registry.current_id(wrapped) is None or principal.is_swapped(wrapped):
            return Response({"user": users.as_dict(request.user), "session": None})
        return Response(whoami(django_request(request), request.user))
