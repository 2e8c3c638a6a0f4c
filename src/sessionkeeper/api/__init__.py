"""For Django REST Framework: authentication by session, permissions, and an exception handler."""

from __future__ import annotations

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.exceptions import exception_handler
from sessionkeeper.api.permissions import RecentlyAuthenticated
from sessionkeeper.api.scopes import HasScope

__all__ = [
    "HasScope",
    "RecentlyAuthenticated",
    "SessionAuthentication",
    "TokenAuthentication",
    "exception_handler",
]
