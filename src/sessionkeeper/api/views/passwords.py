"""Reauthentication, password change and password reset."""

from __future__ import annotations

from typing import Any

from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.serializers import Body, Password, SecretText, Text
from sessionkeeper.api.views.base import Endpoint, whoami
from sessionkeeper.auth import flows, lockout, passwords
from sessionkeeper.core.errors import InvalidCredentials
from sessionkeeper.core.keys import Secret


class ReauthenticateSerializer(Body):
    """The body of ``POST reauthenticate/``."""

    password = Password()


class PasswordChangeSerializer(Body):
    """The body of ``POST password/change/``."""

    current_password = Password()
    new_password = Password()


class PasswordResetSerializer(Body):
    """The body of ``POST password/reset/``."""

    email = Text(max_length=254)


class PasswordResetConfirmSerializer(Body):
    """The body of ``POST password/reset/confirm/``."""

    uid = Text(max_length=200)
    token = SecretText(max_length=200)
    new_password = Password()


@method_decorator(lockout.counting, name="dispatch")
class ReauthenticateView(Endpoint):
    """Reauthenticate the signed-in user."""

    permission_classes = [IsAuthenticated]
    serializer_class = ReauthenticateSerializer

    def post(self, request: Request) -> Response:
        """Verify the password."""
        given = self.validated(request)
        flows.reauthenticate(django_request(request), Secret({"password": given["password"].value}))
        return Response(whoami(django_request(request), request.user))


@method_decorator(lockout.counting, name="dispatch")
class PasswordChangeView(Endpoint):
    """Change the password; all other sessions end."""

    permission_classes = [IsAuthenticated]
    serializer_class = PasswordChangeSerializer

    def post(self, request: Request) -> Response:
        """Change the password."""
        given = self.validated(request)
        try:
            passwords.change_password(
                django_request(request), current=given["current_password"], new=given["new_password"]
            )
        except InvalidCredentials as error:
            raise exceptions.ValidationError(
                {"current_password": [_("This is not the password.")]}
            ) from error
        return Response(status=204)


class ResetThrottle(SimpleRateThrottle):
    """Limits the password resets, and the attempts at their tokens, of each client address.

    ``REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][scope]`` overrides the rate; None disables the limit.
    """

    scope = "sessionkeeper-reset"
    default_rate = "10/min"

    def get_rate(self) -> str | None:
        """Return the project's rate, or the default."""
        rates: dict[str, Any] = api_settings.DEFAULT_THROTTLE_RATES or {}
        rate: str | None = rates.get(self.scope, self.default_rate)
        return rate

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count a POST request.

        Raises:
            TooManyTries: there were too many.
        """
        tries, seconds = self.parse_rate(self.rate)
        if request.method == "POST" and tries and seconds:
            lockout.count_reset(django_request(request), tries=tries, seconds=seconds)
        return True


@method_decorator(lockout.counting, name="dispatch")
class PasswordResetView(Endpoint):
    """Send a mail with a link to choose a new password."""

    throttle_classes = [ResetThrottle]
    serializer_class = PasswordResetSerializer

    def post(self, request: Request) -> Response:
        """Send the mail, if a user has the address. The response is the same if not."""
        passwords.request_reset(django_request(request), **self.validated(request))
        return Response(status=204)


@method_decorator(lockout.counting, name="dispatch")
class PasswordResetConfirmView(Endpoint):
    """Set a new password, with the values in the mail."""

    throttle_classes = [ResetThrottle]
    serializer_class = PasswordResetConfirmSerializer

    def post(self, request: Request) -> Response:
        """Set the password and end all sessions of the user."""
        given = self.validated(request)
        passwords.confirm_reset(given["uid"], given["token"], given["new_password"])
        return Response(status=204)
