"""Authentication backends that count attempts to sign in."""

from __future__ import annotations

from sessionkeeper.auth.backends import LockoutBackend, ModelBackend

__all__ = ["LockoutBackend", "ModelBackend"]
