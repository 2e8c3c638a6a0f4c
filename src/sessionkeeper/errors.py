"""What goes wrong, for a project's own code to catch."""

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
]
