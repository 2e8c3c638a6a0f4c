"""The fields of requests that sign in, and the JSON of sessions."""

from __future__ import annotations

import unicodedata
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from sessionkeeper.auth.flows import LONGEST_PASSWORD
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.http.client_info import device


class Text(serializers.CharField):
    """A string. Unlike DRF's own field it refuses numbers, and its schema says whether it may be empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=None if options.get("allow_blank") else 1, **options)

    def to_internal_value(self, data: Any) -> str:
        """Refuse values that are not strings."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SecretText(Text):
    """A text that is validated to a ``Secret``."""

    def run_validation(self, data: Any = empty) -> Any:
        """Refuse what is invalid, without a look at it in a frame of ours."""
        data = Secret.of(data)
        if not (isinstance(data.value, str) or data.value is None or data.value is empty):
            self.fail("invalid")
        return Secret(super().run_validation(data.value))

    to_internal_value = serializers.CharField.to_internal_value


class Password(SecretText):
    """A password that is not too long to be hashed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
            **options,
        )


class Choice(serializers.BooleanField):
    """True, false or null; text only in a form. A missing value means the same as null."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse numbers, and text in JSON."""
        in_form = html.is_html_input(getattr(self.parent, "initial_data", empty))
        if not (isinstance(data, bool) or (in_form and isinstance(data, str))):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class Body(serializers.Serializer[Any]):
    """The body of a request. Unlike DRF's, its ``repr`` does not contain what was sent."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LoginSerializer(Body):
    """The body of ``POST login/``."""

    username = Text(max_length=254)
    password = Password()
    remember = Choice(required=False, allow_null=True, default=None)
    label = Text(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        required=False, allow_blank=True, max_length=100, default=""
    )

    def validate_username(self, value: str) -> str:
        """Return the name normalized as Django stores it."""
        return unicodedata.normalize("NFKC", value)


def session_json(record: SessionRecord, *, current_id: int | None) -> dict[str, Any]:
    """Return the JSON of a session for its owner; ``current_id`` is the id of the session of the request."""
    return {**record.as_dict(current=record.id == current_id), "device": device(record.user_agent)}
