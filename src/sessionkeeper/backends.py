"""Authentication backends with a lockout."""

from __future__ import annotations

from sessionkeeper.auth.backends import LockoutBackend, ModelBackend

__all__ = ["LockoutBackend", "ModelBackend"]
