"""Every error that sessionkeeper raises, under one base.

Those that Django knows of a session engine are Django's as well, so that code which knows only those handles
them: ``UpdateError`` ends a request with 400, and so does ``SuspiciousOperation``.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import SuspiciousOperation


class SessionKeeperError(Exception):
    """Base of all errors of this package."""


class SessionGone(SessionKeeperError, UpdateError):
    """The session does not exist any more: it was revoked, purged, or never was."""


class StaleSession(SessionKeeperError, UpdateError):
    """The session lives, but the key that was used has been rotated away since."""


class IdTaken(SessionKeeperError):
    """A session with this id exists already; the caller mints another one."""


class TooManySessions(SessionKeeperError, UpdateError):
    """The user has as many sessions as the site allows; nobody was signed in."""


class SessionTooLarge(SessionKeeperError, SuspiciousOperation):
    """A session in which nobody signed in would hold more than strangers may store; nothing was written."""


class NoTransport(SessionKeeperError, SuspiciousOperation):
    """A session cannot begin in a request with a bearer token: its key would reach nobody."""


class CorruptPayload(SessionKeeperError):
    """The stored data cannot be read: foreign bytes, a bad signature, another format."""


class InvalidCredentials(SessionKeeperError):
    """Nobody can sign in with these credentials. Unknown, wrong and inactive are not told apart."""


class SecondFactorRequired(SessionKeeperError):
    """The password was right, and the user has a second factor. Nobody was signed in.

    Attributes:
        user: the user, with the ``backend`` that took the password.
    """

    def __init__(self, user: Any) -> None:
        super().__init__("The user has a second factor.")
        self.user = user


class TooManyTries(SessionKeeperError):
    """Too many attempts have failed, for this account or from this source. The password was not looked at.

    Attributes:
        retry_after: seconds until another attempt is allowed.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts; the next one is allowed in {retry_after} s.")
        self.retry_after = retry_after


class NoSuchSession(SessionKeeperError):
    """The user has no session with this id. Another user's is not told apart from one that never was."""


class ReauthenticationRequired(SessionKeeperError):
    """The last authentication is too old for what was asked: the user has to reauthenticate first."""


class RefusedPassword(SessionKeeperError):
    """A new password was refused.

    Attributes:
        messages: why, a sentence each.
    """

    def __init__(self, messages: list[str]) -> None:
        super().__init__(*messages)
        self.messages = messages


class InvalidToken(SessionKeeperError):
    """The token of a password reset is spent, expired, or none of ours."""


class NoNamespace(SessionKeeperError):
    """Nobody says for which tenant this is done, so it is not done: see ``SESSIONKEEPER["NAMESPACE"]``."""


class AppendOnly(SessionKeeperError):
    """The audit trail is added to. It is not edited, and only a purge removes what is old."""


class StoreUnavailable(SessionKeeperError):
    """The store could not be asked or did not answer in time.

    An outage says nothing about the session: nobody may be treated as signed out because of it.

    Attributes:
        retry_after: seconds after which trying again makes sense.
    """

    retry_after: int = 5


class StoreUnreachable(StoreUnavailable):
    """The store gave no sign of life: no connection to it, or no answer in time.

    Several without an answer in between open the breaker
    (``CircuitBreaker``). What the store refuses, because its memory is full or a
    lock is held, is an outage as well, but of another kind: nobody piles up behind it.
    """


class StoreBusy(StoreUnavailable):
    """The store was not asked: all connections that this process may have were in use.

    It says nothing of the store, so it neither opens the breaker nor closes it.
    """


class StoreOfAnotherSite(StoreUnavailable):
    """The keys in Valkey or Redis belong to another site, whose users have the same numbers as ours."""
