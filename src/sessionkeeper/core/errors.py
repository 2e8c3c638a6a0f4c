"""The errors that sessionkeeper raises. Where Django expects one of its own, ours inherits from it."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied, SuspiciousOperation


class SessionKeeperError(Exception):
    """Base of all errors of this package."""


class SessionGone(SessionKeeperError, UpdateError):
    """The session no longer exists: it was revoked or purged, or it never existed."""


class StaleSession(SessionKeeperError, UpdateError):
    """The session exists, but its key was rotated meanwhile. Nothing was written."""


class IdTaken(SessionKeeperError):
    """A session with this id already exists. The caller generates another id."""


class TooManySessions(SessionKeeperError, UpdateError):
    """The user has as many sessions as the site allows. Nobody was signed in, and nothing was written."""


class SessionTooLarge(SessionKeeperError, SuspiciousOperation):
    """An anonymous session would hold more than visitors may store. Nothing was written."""


class NoTransport(SessionKeeperError, SuspiciousOperation):
    """A session cannot begin in a request with a bearer token: its key would not reach the client."""


class CrossSiteSession(SessionKeeperError, PermissionDenied):
    """A view without a CSRF check asked for the session, or signed in, for a page of another site.

    Nothing was read or written. Code that does not know it answers 403, as to any ``PermissionDenied``.
    """


class CorruptPayload(SessionKeeperError):
    """The stored data cannot be read: foreign bytes, a bad signature or an unknown format."""


class InvalidCredentials(SessionKeeperError):
    """The credentials sign nobody in. Unknown and inactive users and wrong passwords look the same."""


class SecondFactorRequired(SessionKeeperError):
    """The password was correct, but the user has a second factor. Nobody was signed in.

    Attributes:
        user: the user who proved the first factor, with the ``backend`` that accepted it.
    """

    def __init__(self, user: Any) -> None:
        super().__init__("The user has a second factor.")
        self.user = user


class TooManyTries(SessionKeeperError):
    """There were too many failed attempts for this account or from this source. The password was not checked.

    Attributes:
        retry_after: seconds after which another attempt is checked.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many failed attempts. Try again in {retry_after} seconds.")
        self.retry_after = retry_after


class NoSuchSession(SessionKeeperError):
    """The user has no session with this id. Another user's session looks like one that never existed."""


class UserMismatch(SessionKeeperError, PermissionDenied):
    """``request.user`` is not the user of the session: for example, a middleware lets staff act as others.

    Nothing was done. Django answers 403.
    """


class ReauthenticationRequired(SessionKeeperError):
    """The user must reauthenticate: the last authentication is too old for this action."""


class RefusedPassword(SessionKeeperError):
    """A new password was refused.

    Attributes:
        messages: the reasons, one sentence each.
    """

    def __init__(self, messages: list[str]) -> None:
        super().__init__(*messages)
        self.messages = messages


class InvalidToken(SessionKeeperError):
    """The token of a password reset is used, expired or not valid."""


class NoNamespace(SessionKeeperError):
    """No tenant is active, or the wrong one, so nothing was done: see ``SESSIONKEEPER["NAMESPACE"]``."""


class AppendOnly(SessionKeeperError):
    """The audit trail is append-only: events are not edited, and only a purge deletes old ones."""


class StoreUnavailable(SessionKeeperError):
    """The store could not be reached or did not answer in time.

    An outage says nothing about the session: a user must not be treated as signed out because of it.

    Attributes:
        retry_after: seconds after which it makes sense to try again.
    """

    retry_after: int = 5


class StoreUnreachable(StoreUnavailable):
    """There is no connection to the store, or no answer in time.

    Several of these in a row open the circuit breaker. A refusal, because memory is full or a lock is held,
    is an outage too, but does not count: no requests pile up behind it.
    """


class StoreBusy(StoreUnavailable):
    """The store was not asked: all connections of this process were in use.

    This says nothing about the store, so it neither opens the circuit breaker nor closes it.
    """


class StoreOfAnotherSite(StoreUnavailable):
    """The keys in Valkey or Redis belong to another site, whose users may have the same primary keys."""
