"""What goes wrong in the store, as Django expects it of a session engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.contrib.sessions.backends.base import UpdateError

from sessionkeeper.errors import SessionGone, StaleSession, StoreUnavailable, TooManySessions

if TYPE_CHECKING:
    from sessionkeeper.engine import SessionStore


class SessionGoneError(SessionGone, UpdateError):
    """The session was ended while this request used it. Django's middleware answers 400."""


class StaleSessionError(StaleSession, UpdateError):
    """The session got another key while this request used it; nothing was written."""


class TooManySessionsError(TooManySessions, UpdateError):
    """The user has as many sessions as the site allows; nothing was written."""


@contextmanager
def answering(session: SessionStore) -> Iterator[None]:
    """Remember an outage, and raise what Django expects of an engine."""
    try:
        yield
    except StoreUnavailable as error:
        session.outage = error
        raise
    except SessionGone as error:
        raise SessionGoneError from error
    except StaleSession as error:
        raise StaleSessionError from error
    except TooManySessions as error:
        raise TooManySessionsError from error
