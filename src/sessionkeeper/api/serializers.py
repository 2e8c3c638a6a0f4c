"""The JSON of sessions, users and logins."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from sessionkeeper.audit.events import Kind
from sessionkeeper.core import keys, policy
from sessionkeeper.core.records import BEARER, COOKIE, SessionRecord
from sessionkeeper.engine.history import EndedSession
from sessionkeeper.http.user_agents import device


class Text(serializers.CharField):
    """A string and nothing else: DRF's own field takes numbers too."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.BooleanField):
    """True, false or null; as text only in a form. Not sent and null are the same: no choice."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse numbers, and text in JSON."""
        in_form = html.is_html_input(getattr(self.parent, "initial_data", empty))
        if not (isinstance(data, bool) or (in_form and isinstance(data, str))):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class LoginSerializer(serializers.Serializer[Any]):
    """What ``POST login/`` takes."""

    username = Text(max_length=254)
    password = Text(max_length=4096, trim_whitespace=False, style={"input_type": "password"})
    remember = Choice(required=False, allow_null=True, default=None)
    label = Text(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        required=False, allow_blank=True, max_length=100, default=""
    )

    def validate_username(self, value: str) -> str:
        """Return the name in the form in which Django stores names."""
        return unicodedata.normalize("NFKC", value)


def user_json(user: Any) -> dict[str, Any]:
    """Return a user for the user's own eyes."""
    email = getattr(user, user.get_email_field_name(), "") if hasattr(user, "get_email_field_name") else ""
    return {
        "id": user.pk if isinstance(user.pk, int) else str(user.pk),
        "username": user.get_username(),
        "email": email or "",
    }


def session_json(record: SessionRecord, *, current_id: int | None) -> dict[str, Any]:
    """Return a session for its owner's eyes; ``current_id`` is the id of the session that asks."""
    return {
        "id": keys.encode_id(record.id),
        "current": record.id == current_id,
        "transport": record.transport,
        "label": record.label,
        "created_at": _utc(record.created_at),
        "authenticated_at": _utc(record.authenticated_at),
        "last_seen_at": _utc(record.last_seen_at),
        "idle_expires_at": _utc(policy.idle_end(record.last_seen_at, record.idle_seconds)),
        "expires_at": _utc(record.expires_at),
        "amr": record.amr.split(),
        "ip_address": record.ip_address,
        "user_agent": record.user_agent,
        "device": device(record.user_agent),
    }


def ended_json(ended: EndedSession) -> dict[str, Any]:
    """Return an ended session for its owner's eyes."""
    return {
        "id": keys.encode_id(ended.id),
        "transport": BEARER if ended.kind == Kind.TOKEN_MADE else COOKIE,
        "authenticated_at": _utc(ended.began_at),
        "ended_at": _utc(ended.ended_at),
        "how": ended.how,
        "reason": ended.reason,
        "ip_address": ended.ip_address,
        "user_agent": ended.user_agent,
        "device": device(ended.user_agent),
    }


def _utc(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
