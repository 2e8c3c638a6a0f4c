"""Every error that sessionkeeper raises, under one base."""

from __future__ import annotations

from typing import Any


class SessionKeeperError(Exception):
    """Base of all errors of this package."""


class SessionGone(SessionKeeperError):
    """The session does not exist any more: it was revoked, purged, or never was."""


class StaleSession(SessionKeeperError):
    """The session lives, but the key that was used has been rotated away since."""


class IdTaken(SessionKeeperError):
    """A session with this id exists already; the caller mints another one."""


class TooManySessions(SessionKeeperError):
    """The user has as many sessions as the site allows. Nobody was signed in."""


class SessionTooLarge(SessionKeeperError):
    """An anonymous session would exceed the size that is allowed. Nothing was written."""


class NoTransport(SessionKeeperError):
    """A session cannot begin in a request with a bearer token: the response cannot carry its key."""


class CorruptPayload(SessionKeeperError):
    """The stored data cannot be read: foreign bytes, a bad signature, another format."""


class InvalidCredentials(SessionKeeperError):
    """Nobody can sign in with these credentials. Unknown, wrong and inactive get the same error."""


class SecondFactorRequired(SessionKeeperError):
    """The password is correct, but the user has a second factor. Nobody was signed in.

    Attributes:
        user: who proved the first factor, with the ``backend`` that took it.
    """

    def __init__(self, user: Any) -> None:
        super().__init__("The user has a second factor.")
        self.user = user


class TooManyTries(SessionKeeperError):
    """Signing in failed too often, for this account or from this source. The password was not checked.

    Attributes:
        retry_after: seconds after which another attempt is checked.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many tries; the next one counts in {retry_after} s.")
        self.retry_after = retry_after


class NoSuchSession(SessionKeeperError):
    """The user has no session with this id. Sessions of other users get the same error."""


class ReauthenticationRequired(SessionKeeperError):
    """The last proof of a credential is too old for this action: the user has to reauthenticate first."""


class RefusedPassword(SessionKeeperError):
    """A new password was refused.

    Attributes:
        messages: why, a sentence each.
    """

    def __init__(self, messages: list[str]) -> None:
        super().__init__(*messages)
        self.messages = messages


class InvalidToken(SessionKeeperError):
    """The token of a password reset has been used, has expired, or is not from this site."""


class NoNamespace(SessionKeeperError):
    """The tenant is unknown, so nothing was done: see ``SESSIONKEEPER["NAMESPACE"]``."""


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
