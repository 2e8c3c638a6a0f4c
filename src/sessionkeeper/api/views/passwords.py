"""Reauthentication, password change and password reset."""

from __future__ import annotations

from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from sessionkeeper.api.authentication import django_request
from sessionkeeper.api.views.base import Body, Endpoint, Password, SecretText, Text, whoami
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


@method_decorator(lockout.counting, name="dispatch")
class PasswordResetView(Endpoint):
    """Send a mail with a link to choose a new password."""

    serializer_class = PasswordResetSerializer

    def post(self, request: Request) -> Response:
        """Send the mail, if a user has the address. The response is the same if not."""
        passwords.request_reset(django_request(request), **self.validated(request))
        return Response(status=204)


@method_decorator(lockout.counting, name="dispatch")
class PasswordResetConfirmView(Endpoint):
    """Set a new password, with the values in the mail."""

    serializer_class = PasswordResetConfirmSerializer

    def post(self, request: Request) -> Response:
        """Set the password and end all sessions of the user."""
        passwords.count_reset(django_request(request))
        given = self.validated(request)
        passwords.confirm_reset(given["uid"], given["token"], given["new_password"])
        return Response(status=204)
