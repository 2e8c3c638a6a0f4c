"""Stores of sessions, behind one contract (``stores.base``)."""

from __future__ import annotations

from sessionkeeper.stores.factory import get_breaker, get_near_cache

__all__ = ["get_breaker", "get_near_cache"]
