"""Django REST Framework: authentication by session, and the endpoints to sign in and out."""

from __future__ import annotations

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication

__all__ = ["SessionAuthentication", "TokenAuthentication"]
