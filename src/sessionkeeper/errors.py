"""The errors that the public functions raise."""

from __future__ import annotations

from sessionkeeper.core.errors import (
    InvalidCredentials,
    InvalidToken,
    NoNamespace,
    NoSuchSession,
    NoTransport,
    ReauthenticationRequired,
    RefusedPassword,
    SecondFactorRequired,
    SessionGone,
    SessionKeeperError,
    SessionTooLarge,
    StaleSession,
    StoreBusy,
    StoreOfAnotherSite,
    StoreUnavailable,
    StoreUnreachable,
    TooManySessions,
    TooManyTries,
    UserMismatch,
)

__all__ = [
    "InvalidCredentials",
    "InvalidToken",
    "NoNamespace",
    "NoSuchSession",
    "NoTransport",
    "ReauthenticationRequired",
    "RefusedPassword",
    "SecondFactorRequired",
    "SessionGone",
    "SessionKeeperError",
    "SessionTooLarge",
    "StaleSession",
    "StoreBusy",
    "StoreOfAnotherSite",
    "StoreUnavailable",
    "StoreUnreachable",
    "TooManySessions",
    "TooManyTries",
    "UserMismatch",
]
