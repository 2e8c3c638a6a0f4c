"""The shapes of answers, for the schema. The JSON itself comes from ``as_dict`` of what is described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sessionkeeper.api.serializers import Text
from sessionkeeper.api.views.tokens import LONGEST_SCOPE

# Patterns, no choices: drf-spectacular makes a component of each enum, whose name a project may have already.
ID_PATTERN = r"^[A-Za-z0-9_-]{11}$"
TRANSPORTS = r"^(cookie|bearer)$"


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class PrimaryKey(serializers.Field[Any, Any, Any, Any]):
    """A number, or text where the key is no number."""


class CsrfToken(serializers.Serializer[Any]):
    """What ``csrf/`` answers."""

    csrf_token = serializers.CharField(help_text="For the header, or for csrfmiddlewaretoken in a form.")


class User(serializers.Serializer[Any]):
    """A user."""

    id = PrimaryKey()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty where the user model has none.")


class Session(serializers.Serializer[Any]):
    """A session."""

    id = serializers.RegexField(ID_PATTERN, help_text="The session id. No secret: it opens nothing.")
    current = serializers.BooleanField(help_text="Whether the request came in this session.")
    transport = serializers.RegexField(TRANSPORTS, help_text="How the key travels.")
    label = serializers.CharField(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        help_text="What the login said, or empty."
    )
    created_at = serializers.DateTimeField(help_text="When the session began.")
    authenticated_at = serializers.DateTimeField(
        allow_null=True, help_text="When the user last proved a credential."
    )
    last_seen_at = serializers.DateTimeField(help_text="The last recorded use.")
    idle_expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When it ends if nobody uses it again."
    )
    expires_at = serializers.DateTimeField(help_text="When it ends whatever happens.")
    amr = serializers.ListField(
        child=serializers.CharField(), help_text="How the user signed in, in the words of RFC 8176."
    )
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    device = serializers.CharField(allow_null=True, help_text="Browser and system in words.")


class SignedIn(serializers.Serializer[Any]):
    """Who is signed in, and in which session."""

    user = User()
    session = Session()


class IssuedToken(serializers.Serializer[Any]):
    """A bearer token, which is shown once."""

    token = serializers.RegexField(r"^sess_[A-Za-z0-9_-]{46}$")
    scopes = serializers.ListField(child=Text(max_length=LONGEST_SCOPE), allow_null=True)
    session = Session()


class Page(serializers.Serializer[Any]):
    """One page of a list."""

    count = serializers.IntegerField(min_value=0)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class SessionPage(Page):
    """A page of sessions."""

    results = Session(many=True)


class EndedSession(serializers.Serializer[Any]):
    """A session that is over."""

    id = serializers.RegexField(ID_PATTERN)
    transport = serializers.RegexField(TRANSPORTS)
    authenticated_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="Null where it has expired and no purge has come by."
    )
    how = serializers.RegexField(r"^(sign_out|revoked|expired|copy_detected)$")
    reason = serializers.CharField(help_text="One word of the audit trail, or empty.")
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
    """What went wrong (RFC 9457)."""

    type = serializers.CharField(help_text="A path of this site that leads to what to do about it.")
    title = serializers.CharField()
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="For people.")
    code = serializers.CharField(help_text="For programs: it never changes its meaning.")
    errors = serializers.DictField(  # type: ignore[assignment] # as label above
        required=False, help_text="Of the code invalid: for each field what is wrong with it."
    )
