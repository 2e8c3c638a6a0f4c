"""Django REST Framework: authentication by session, and the endpoints to sign in and out."""

from __future__ import annotations

from sessionkeeper.api.authentication import SessionAuthentication
from sessionkeeper.api.token_authentication import TokenAuthentication

__all__ = ["SessionAuthentication", "TokenAuthentication"]
