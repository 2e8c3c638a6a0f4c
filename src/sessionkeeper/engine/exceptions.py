"""What goes wrong in the store, as Django expects it of a session engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.sessions.backends.base import UpdateError

from sessionkeeper.core.errors import SessionGone, StaleSession, StoreUnavailable, TooManySessions

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore


class SessionGoneError(SessionGone, UpdateError):
    """The session was ended while this request used it. Django's middleware answers 400."""


class StaleSessionError(StaleSession, UpdateError):
    """The session got another key while this request used it; nothing was written."""


class TooManySessionsError(TooManySessions, UpdateError):
    """The user has as many sessions as the site allows; nothing was written."""


class answering:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Remember an outage, and raise what Django expects of an engine."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionStore) -> None:
        self._session = session

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate what ended the block."""
        if error is None:
            return
        match error:
            case StoreUnavailable():
                self._session.outage = error
            case SessionGone():
                raise SessionGoneError from error
            case StaleSession():
                raise StaleSessionError from error
            case TooManySessions():
                raise TooManySessionsError from error
