"""How many sessions a user may have at once: ``MAX_SESSIONS``. The store counts as it writes a sign-in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sessionkeeper import audit, limits, readers
from sessionkeeper.record import UserLimit


def limit_for(user_id: Any, transport: str) -> UserLimit | None:
    """Return the limit for a sign-in of this user; None without one."""
    if user_id is None:
        return None
    settings = limits.in_force(limits.SESSIONS, user_id)
    if settings.max_sessions is None:
        return None
    return UserLimit(settings.max_sessions, settings.max_sessions_action == readers.END_OLDEST, transport)


def note_ended(session_ids: Collection[int], user_id: Any) -> None:
    """Record that a sign-in ended these sessions of the user, the oldest."""
    reason = {"user": user_id, "reason": "limit"}
    audit.record_all(audit.make(audit.Kind.REVOKED, session_id=one, **reason) for one in session_ids)
