"""Sessions of clients other than browsers: the same engine, but with a token instead of a cookie.

The client gets its token once, from ``issue_token``. The token stays the same until the session ends, because
no later response can carry another one.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY

from sessionkeeper.core import keys
from sessionkeeper.core.errors import NoTransport
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import BEARER
from sessionkeeper.engine import session_data
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http.transports import Bearer

_REFUSAL = "A request with a bearer token cannot begin a session."


class BearerSession(SessionStore):
    """The session that a bearer token opens; with ``is_new``, one whose key is about to become a token.

    One with scopes does not name the backend of its user, so that Django's ``get_user`` finds nobody: views
    that know nothing of scopes must not open, also with Django's ``AuthenticationMiddleware``.
    """

    # in_scope: whether the caller checks the scopes, and may know the user.
    transport = BEARER
    in_scope = False

    def __init__(self, token: Secret[str] | None = None, *, is_new: bool = False) -> None:
        Bearer.met = True
        key = keys.parse_bearer(token)
        super().__init__(None if key is None else Secret(key.text))
        self._is_new = is_new

    @property
    def scopes(self) -> list[str] | None:
        """The scopes that the session is restricted to; None if it is not restricted."""
        recalled = self._active.from_near_cache
        return session_data.scopes_of(self._session if recalled is None else recalled)

    def __getitem__(self, key: str) -> Any:
        data = self._session
        if key == BACKEND_SESSION_KEY and self._hides_user():
            raise KeyError(key)
        return data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """As Django's, but for the backend of a session with scopes."""
        data = self._session
        return default if key == BACKEND_SESSION_KEY and self._hides_user() else data.get(key, default)

    async def aget(self, key: str, default: Any = None) -> Any:
        """Async form of :meth:`get`."""
        await self._aget_session()
        return self.get(key, default)

    def _hides_user(self) -> bool:
        return not (self.in_scope or self._is_new) and self.scopes is not None

    def rotate_key(self) -> None:
        """Keep the key, which only the client can have: unlike a cookie, it cannot be planted.

        Raises:
            NoTransport: there is no session, and the client could not get the key of a new one.
        """
        if self._is_new:
            super().rotate_key()
            return
        self._get_session()
        if not self._active.stored:
            raise NoTransport(_REFUSAL)
        self._may_change()
        self.modified = True

    def _insert(self, data: dict[str, Any]) -> None:
        if not self._is_new:
            raise NoTransport(_REFUSAL)
        super()._insert(data)
