"""How much a session may hold in which nobody signed in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.core.exceptions import SuspiciousOperation

from sessionkeeper.errors import SessionTooLarge
from sessionkeeper.policy import ANONYMOUS_LARGEST
from sessionkeeper.stores import codec


class SessionTooLargeError(SessionTooLarge, SuspiciousOperation):
    """See the base."""


def encode_bounded(data: dict[str, Any]) -> str:
    """Return the JSON text of all data. Strangers may store so much and no more, or a flood fills the store.

    Raises:
        SessionTooLargeError: nobody is signed in, and it is more. Django answers 400.
    """
    text = codec.encode(data)
    if SESSION_KEY not in data and len(text) > ANONYMOUS_LARGEST:
        raise SessionTooLargeError(
            f"A session in which nobody signed in holds at most {ANONYMOUS_LARGEST} characters of JSON, and "
            f"this one would hold {len(text)}. Keep less in it, or keep it elsewhere."
        )
    return text
