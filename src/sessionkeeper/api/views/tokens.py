"""Bearer tokens for clients that are not browsers."""

from __future__ import annotations

from typing import Any

from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sessionkeeper.api.authentication import CsrfFailed, TokenAuthentication, django_request
from sessionkeeper.api.views.base import Endpoint, LoginSerializer, session_json
from sessionkeeper.auth import flows, lockout
from sessionkeeper.core.keys import Secret
from sessionkeeper.csrf import fetch_metadata

#: How many scopes a session can have, and how long each can be.
MOST_SCOPES = 50
LONGEST_SCOPE = 100


class Scopes(serializers.ListField):
    """Scopes, which consist of visible ASCII characters except quote and backslash (RFC 6749)."""

    child = serializers.RegexField(r"\A[!#-\[\]-~]+\Z", max_length=LONGEST_SCOPE, trim_whitespace=False)
    default_error_messages = {
        "not_scopes": _(
            "Each scope is a text of at most {longest} visible ASCII characters, no quotes or backslashes."
        )
    }

    def run_child_validation(self, data: Any) -> list[str]:
        """Report errors once, not for each scope."""
        if not all(isinstance(scope, str) for scope in data):
            self.fail("not_scopes", longest=LONGEST_SCOPE)
        try:
            return list(super().run_child_validation(data))
        except serializers.ValidationError:
            self.fail("not_scopes", longest=LONGEST_SCOPE)


class TokenSerializer(LoginSerializer):
    """The body of ``POST tokens/``."""

    remember = None  # type: ignore[assignment] # there is no cookie
    scopes = Scopes(max_length=MOST_SCOPES, required=False, allow_null=True, default=None)


@method_decorator(lockout.counting, name="dispatch")
class TokensView(Endpoint):
    """Begin a bearer session with a username and a password, and return its token."""

    authentication_classes = []
    serializer_class = TokenSerializer

    def perform_authentication(self, request: Request) -> None:
        """Refuse pages of other sites, although no cookie is read."""
        super().perform_authentication(request)
        reason = fetch_metadata.foreign(django_request(request))
        if request.method == "POST" and reason is not None:
            raise CsrfFailed(reason)

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge, so that DRF answers 401."""
        return TokenAuthentication().challenge(request)

    def post(self, request: Request) -> Response:
        """Begin a session and return its token, which is never shown again."""
        given = self.validated(request)
        issued = flows.issue_token(
            django_request(request),
            credentials=Secret({"username": given["username"], "password": given["password"].value}),
            label=given["label"],
            scopes=given["scopes"],
        )
        session = session_json(issued.record, current_id=None)
        return Response({"token": issued.token, "session": session, "scopes": issued.scopes}, status=201)
