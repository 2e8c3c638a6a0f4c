"""A Django signal for each kind of audit event: ``signals.signed_in.connect(receiver)``.

Each is sent with ``event``, an ``Event``, when the event is recorded, which may be inside a transaction. An
exception of a receiver is logged and has no other effect.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

from sessionkeeper.audit.events import Kind

BY_KIND: Final[dict[Kind, Signal]] = {}


def _of(kind: Kind) -> Signal:
    return BY_KIND.setdefault(kind, Signal())


signed_in: Final = _of(Kind.SIGN_IN)
session_adopted: Final = _of(Kind.ADOPTED)
signed_out: Final = _of(Kind.SIGN_OUT)
sign_in_refused: Final = _of(Kind.REFUSED)
second_factor_required: Final = _of(Kind.SECOND_FACTOR_REQUIRED)
locked_out: Final = _of(Kind.LOCKED_OUT)
unlocked: Final = _of(Kind.UNLOCKED)
token_made: Final = _of(Kind.TOKEN_MADE)
stepped_up: Final = _of(Kind.STEP_UP)
session_rotated: Final = _of(Kind.ROTATED)
session_renewed: Final = _of(Kind.RENEWED)
session_expired: Final = _of(Kind.EXPIRED)
sessions_purged: Final = _of(Kind.PURGED)
user_erased: Final = _of(Kind.ERASED)
session_restored: Final = _of(Kind.RESTORED)
session_revoked: Final = _of(Kind.REVOKED)
copy_detected: Final = _of(Kind.COPY_DETECTED)
several_cookies: Final = _of(Kind.SEVERAL_COOKIES)
address_changed: Final = _of(Kind.ADDRESS_CHANGED)
user_agent_changed: Final = _of(Kind.USER_AGENT_CHANGED)
password_changed: Final = _of(Kind.PASSWORD_CHANGED)
password_reset_requested: Final = _of(Kind.PASSWORD_RESET_REQUESTED)
password_reset: Final = _of(Kind.PASSWORD_RESET)
