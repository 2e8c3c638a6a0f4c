"""Middleware in place of Django's: one round trip a request, and an outage that is not a logout.

``SessionMiddleware`` and ``AuthenticationMiddleware`` are subclasses of Django's, sync and async, so that
everything that asks for those finds them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from sessionkeeper.core.records import BEARER
from sessionkeeper.engine import principal
from sessionkeeper.engine.session_store import SessionStore


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Attaches ``request.user`` and ``request.auser``, taken from what the session's one read brought."""

    async def __acall__(self, request: Any) -> Any:
        """Handle a request in the event loop: attaching what is lazy needs no thread."""
        self.process_request(request)
        return await self.get_response(request)  # type: ignore[misc]

    def process_request(self, request: Any) -> None:
        """Nothing is read before somebody asks who this is."""
        if not isinstance(getattr(request, "session", None), SessionStore):
            super().process_request(request)
            return
        request.user = SimpleLazyObject(partial(_get_user, request))
        request.auser = partial(_aget_user, request)


def _get_user(request: Any) -> Any:
    if not hasattr(request, "_cached_user"):
        request._cached_user = _unless_restricted(request, principal.get_user(request))
    return request._cached_user


async def _aget_user(request: Any) -> Any:
    if not hasattr(request, "_acached_user"):
        request._acached_user = _unless_restricted(request, await principal.aget_user(request))
    return request._acached_user


def _unless_restricted(request: Any, user: Any) -> Any:
    """Return nobody for a bearer session with scopes: views that know no scopes are closed to it."""
    session = request.session
    if session.transport == BEARER and session.scopes is not None:
        return AnonymousUser()
    return user
