"""The session engine: ``SESSION_ENGINE = "sessionkeeper.engine"``."""

from __future__ import annotations

from sessionkeeper.engine import closed_session  # noqa: F401 - completes SessionStore
from sessionkeeper.engine.session_store import SessionStore

__all__ = ["SessionStore"]
