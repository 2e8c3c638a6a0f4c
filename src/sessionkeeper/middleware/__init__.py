"""Middleware in place of Django's: one round trip a request, and an outage that is not a logout."""

from __future__ import annotations

from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware

__all__ = ["AuthenticationMiddleware", "SessionMiddleware"]
