"""Sessions of what is not a browser: the same engine, another transport, no cookie.

A token is given to the client once, when its session begins in ``issue_token``. It stays
the same until the session ends, because no later answer has a place for another one.
"""

from __future__ import annotations

from typing import Any

from sessionkeeper.core import keys
from sessionkeeper.core.errors import NoTransport
from sessionkeeper.core.records import BEARER
from sessionkeeper.engine import session_data
from sessionkeeper.engine.session_store import SessionStore


class BearerSession(SessionStore):
    """The session that a bearer token opens. Anything else than a token of ours opens none."""

    transport = BEARER

    def __init__(self, token: str | None = None) -> None:
        key = keys.parse_bearer(token)
        super().__init__(None if key is None else key.text)

    @property
    def scopes(self) -> list[str] | None:
        """What the session is restricted to; None: to nothing, it may do what its user may."""
        recalled = self._active.from_near_cache
        return session_data.scopes_of(self._session if recalled is None else recalled)

    def cycle_key(self) -> None:
        """Keep the key. Nobody but the client can have it: unlike a cookie it cannot be planted.

        Raises:
            NoTransport: there is no session yet, and one that begins here would be nobody's.
        """
        self._get_session()
        if not self._active.stored:
            raise NoTransport("A request with a bearer token begins no session.")
        self.modified = True

    def rotate_key(self) -> None:
        """Keep the key, as :meth:`cycle_key` does."""

    def _insert(self, data: dict[str, Any]) -> None:
        raise NoTransport("A request with a bearer token begins no session.")


class NewBearerSession(BearerSession):
    """A session whose key is about to be handed out as a token."""

    def cycle_key(self) -> None:
        """Take a key, in memory, until the session is stored."""
        SessionStore.cycle_key(self)

    def _insert(self, data: dict[str, Any]) -> None:
        SessionStore._insert(self, data)  # noqa: SLF001 - past the refusal of the class between
