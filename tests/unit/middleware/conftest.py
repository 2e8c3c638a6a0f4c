"""A browser, sync and async."""

from __future__ import annotations

from tests.unit.middleware.browsing import browser

__all__ = ["browser"]
