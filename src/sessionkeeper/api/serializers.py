"""What sign-ins send, and the JSON of sessions."""

from __future__ import annotations

import unicodedata
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from sessionkeeper.auth.flows import LONGEST_PASSWORD
from sessionkeeper.core.client_info import device
from sessionkeeper.core.records import SessionRecord


class Text(serializers.CharField):
    """A string and nothing else: DRF's own field takes numbers too."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Password(Text):
    """A password, of a length that is hashed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
            **options,
        )


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
    password = Password()
    remember = Choice(required=False, allow_null=True, default=None)
    label = Text(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        required=False, allow_blank=True, max_length=100, default=""
    )

    def validate_username(self, value: str) -> str:
        """Return the name in the form in which Django stores names."""
        return unicodedata.normalize("NFKC", value)


def session_json(record: SessionRecord, *, current_id: int | None) -> dict[str, Any]:
    """Return a session for its owner's eyes; ``current_id`` is the id of the session that asks."""
    told = record.as_dict(current=record.id == current_id)
    return {**told, "device": device(record.user_agent)}
