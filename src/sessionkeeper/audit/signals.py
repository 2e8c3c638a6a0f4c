"""A Django signal for each kind of audit event: ``signals.signed_in.connect(receiver)``.

Each is sent with ``event``, a ``Event``, when the event is recorded, which may be
inside of a transaction. A receiver that fails is logged and stops nothing.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

signed_in: Final = Signal()
session_adopted: Final = Signal()
signed_out: Final = Signal()
sign_in_refused: Final = Signal()
second_factor_required: Final = Signal()
locked_out: Final = Signal()
unlocked: Final = Signal()
token_made: Final = Signal()
stepped_up: Final = Signal()
session_rotated: Final = Signal()
session_renewed: Final = Signal()
session_expired: Final = Signal()
sessions_purged: Final = Signal()
user_erased: Final = Signal()
session_restored: Final = Signal()
session_revoked: Final = Signal()
copy_detected: Final = Signal()
several_cookies: Final = Signal()
address_changed: Final = Signal()
user_agent_changed: Final = Signal()
password_changed: Final = Signal()
password_reset_requested: Final = Signal()
password_reset: Final = Signal()
