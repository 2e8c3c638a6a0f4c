"""Decorators for views."""

from __future__ import annotations

from sessionkeeper.auth.decorators import passive, require_recent_authentication

__all__ = ["passive", "require_recent_authentication"]
