"""The schemas of responses. The JSON itself comes from the ``as_dict()`` of the objects."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sessionkeeper.api.views.base import Text
from sessionkeeper.api.views.tokens import LONGEST_SCOPE

# Not choices: drf-spectacular makes a component of each enum, and its name may clash with the project's.
ID_PATTERN = r"^[A-Za-z0-9_-]{11}$"
TRANSPORTS = r"^(cookie|bearer)$"


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class PrimaryKey(serializers.Field[Any, Any, Any, Any]):
    """A number, or text if the primary key is not a number."""


class CsrfToken(serializers.Serializer[Any]):
    """The response of ``csrf/``."""

    csrf_token = serializers.CharField(help_text="For the header, or for csrfmiddlewaretoken in a form.")


class User(serializers.Serializer[Any]):
    """A user."""

    id = PrimaryKey()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty if the user model has none.")


class Session(serializers.Serializer[Any]):
    """A session."""

    id = serializers.RegexField(ID_PATTERN, help_text="The session id, which is not a secret.")
    current = serializers.BooleanField(help_text="Whether the request belongs to this session.")
    transport = serializers.RegexField(TRANSPORTS, help_text="How the key travels.")
    label = serializers.CharField(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        help_text="The label that was given at sign-in, or empty."
    )
    created_at = serializers.DateTimeField(help_text="When the session began.")
    authenticated_at = serializers.DateTimeField(
        allow_null=True, help_text="When the user last proved a credential."
    )
    last_seen_at = serializers.DateTimeField(help_text="The last recorded use.")
    idle_expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When it ends if it is not used again."
    )
    expires_at = serializers.DateTimeField(help_text="When it ends however much it is used.")
    amr = serializers.ListField(child=serializers.CharField(), help_text="How the user signed in (RFC 8176).")
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    device = serializers.CharField(allow_null=True, help_text="Browser and operating system in words.")


class SignedIn(serializers.Serializer[Any]):
    """The signed-in user and the session."""

    user = User()
    session = Session()


class IssuedToken(serializers.Serializer[Any]):
    """A bearer token, which is shown once."""

    token = serializers.RegexField(r"^sess_[A-Za-z0-9_-]{46}$")
    scopes = serializers.ListField(child=Text(max_length=LONGEST_SCOPE), allow_null=True)
    session = Session()


class Page(serializers.Serializer[Any]):
    """One page of a list."""

    next = serializers.URLField(allow_null=True, help_text="The next page; null at the end.")


class SessionPage(Page):
    """A page of sessions."""

    results = Session(many=True)


class EndedSession(serializers.Serializer[Any]):
    """A session that has ended."""

    id = serializers.RegexField(ID_PATTERN)
    transport = serializers.RegexField(TRANSPORTS)
    authenticated_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="Null if it has expired and has not been purged yet."
    )
    how = serializers.RegexField(r"^(sign_out|revoked|expired|copy_detected)$")
    reason = serializers.CharField(help_text="One word from the audit trail, or empty.")
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    device = serializers.CharField(allow_null=True)


class EndedPage(Page):
    """A page of ended sessions."""

    results = EndedSession(many=True)


class Revoked(serializers.Serializer[Any]):
    """How many sessions ended."""

    revoked = serializers.IntegerField(min_value=0)


class Problem(serializers.Serializer[Any]):
    """A problem (RFC 9457)."""

    type = serializers.CharField(help_text="A path of this site that explains the problem and its fix.")
    title = serializers.CharField()
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="For people.")
    code = serializers.CharField(help_text="For programs. Its meaning never changes.")
    errors = serializers.DictField(  # type: ignore[assignment] # as label above
        required=False, help_text="With the code invalid: for each field what is wrong."
    )
