"""The events of the audit trail: their kinds, their attributes, and their log line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sessionkeeper.core import keys
from sessionkeeper.core.moments import rfc3339
from sessionkeeper.stores.codec import json_key


class Kind(StrEnum):
    """The kinds of events. Each has a signal in :mod:`sessionkeeper.signals`."""

    SIGN_IN = "sign_in"
    ADOPTED = "adopted"
    SIGN_OUT = "sign_out"
    REFUSED = "refused"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    LOCKED_OUT = "locked_out"
    UNLOCKED = "unlocked"
    TOKEN_MADE = "token_made"  # noqa: S105 - the name of an event
    STEP_UP = "step_up"
    ROTATED = "rotated"
    RENEWED = "renewed"
    EXPIRED = "expired"
    PURGED = "purged"
    ERASED = "erased"
    RESTORED = "restored"
    REVOKED = "revoked"
    COPY_DETECTED = "copy_detected"
    SEVERAL_COOKIES = "several_cookies"
    ADDRESS_CHANGED = "address_changed"
    USER_AGENT_CHANGED = "user_agent_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105


#: Kinds that begin a signed-in session, and kinds that end one.
BEGINNINGS = (Kind.SIGN_IN, Kind.TOKEN_MADE)
ENDS = (Kind.SIGN_OUT, Kind.REVOKED, Kind.EXPIRED, Kind.COPY_DETECTED)


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        kind: what happened.
        at: when, an aware time in UTC.
        user_id: primary key of the user concerned; None if there is none or the user is not known.
        session_id: number of the session concerned.
        actor_id: primary key of the user who caused the event, if a user did.
        reason: one word that says why or how.
        ip_address: address of the client that sent the request.
        user_agent: user agent of that client.
        detail: further facts, by name.
    """

    kind: Kind
    at: datetime
    user_id: Any = None
    session_id: int | None = None
    actor_id: Any = None
    reason: str = ""
    ip_address: str | None = None
    user_agent: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the known facts, ready for JSON, with the public id of the session."""
        stated = {
            "event": self.kind.value,
            "at": rfc3339(self.at),
            "user": json_key(self.user_id),
            "session": None if self.session_id is None else keys.encode_id(self.session_id),
            "by": json_key(self.actor_id),
            "reason": self.reason or None,
            "ip_address": self.ip_address,
            "user_agent": self.user_agent or None,
            **self.detail,
        }
        return {name: value for name, value in stated.items() if value is not None}

    def __str__(self) -> str:
        """Return the log line: ASCII, with values in JSON, which cannot forge lines or control a terminal."""
        rest = [f"{name}={json.dumps(value)}" for name, value in self.as_dict().items() if name != "event"]
        return " ".join([self.kind.value, *rest])
