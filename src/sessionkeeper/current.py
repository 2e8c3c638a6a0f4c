"""The session that the code running now belongs to."""

from __future__ import annotations

from contextvars import ContextVar

#: Id of the session that this request loaded or made; None outside of one. Lets a change of the user's
#: password spare the session in which it was made.
session_id: ContextVar[int | None] = ContextVar("sessionkeeper_session_id", default=None)
