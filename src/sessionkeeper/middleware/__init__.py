"""Middleware that replaces Django's: one round trip for each request, and an outage signs nobody out."""

from __future__ import annotations

from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware

__all__ = ["AuthenticationMiddleware", "SessionMiddleware"]
