"""The events of the audit trail: their kinds, their facts, and how one reads in a log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sessionkeeper.core import keys


class Kind(StrEnum):
    """The kinds of events. Each has a signal of the same meaning in :mod:`sessionkeeper.signals`."""

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


#: Kinds that begin a session in which somebody is signed in, and kinds that end one.
BEGINNINGS = (Kind.SIGN_IN, Kind.TOKEN_MADE)
ENDS = (Kind.SIGN_OUT, Kind.REVOKED, Kind.EXPIRED, Kind.COPY_DETECTED)


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        kind: what happened.
        at: when, an aware time in UTC.
        user_id: primary key of the user whom it is about; None where nobody, or nobody known, is meant.
        session_id: number of the session that it is about.
        actor_id: primary key of the user who did it, where that is somebody.
        reason: why or by what means, one word.
        ip_address: address of the client whose request it was.
        user_agent: what that client called itself.
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
        """Return what there is to say, ready for JSON; the session by its public id."""
        stated = {
            "event": self.kind.value,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "user": _plain(self.user_id),
            "session": None if self.session_id is None else keys.encode_id(self.session_id),
            "by": _plain(self.actor_id),
            "reason": self.reason or None,
            "ip_address": self.ip_address,
            "user_agent": self.user_agent or None,
            **self.detail,
        }
        return {name: value for name, value in stated.items() if value is not None}

    def __str__(self) -> str:
        """Return the log line: ASCII, each value as JSON, so that none forges a line or steers a terminal."""
        rest = [f"{name}={json.dumps(value)}" for name, value in self.as_dict().items() if name != "event"]
        return " ".join([self.kind.value, *rest])


def _plain(pk: Any) -> Any:
    return pk if pk is None or isinstance(pk, int) else str(pk)
