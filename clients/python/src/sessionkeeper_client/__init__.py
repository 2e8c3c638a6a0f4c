"""A client of sessionkeeper's API, over HTTP.

It needs httpx and nothing of Django. ``Client`` and ``AsyncClient`` have the same methods.
"""

from __future__ import annotations

from sessionkeeper_client.async_client import AsyncClient
from sessionkeeper_client.client import Client
from sessionkeeper_client.errors import (
    ClientError,
    InsecureAddress,
    InvalidCredentials,
    NotSignedIn,
    ProblemError,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionFileError,
    Throttled,
    Unreachable,
)

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "InsecureAddress",
    "InvalidCredentials",
    "NotSignedIn",
    "ProblemError",
    "ReauthenticationRequired",
    "SecondFactorRequired",
    "SessionFileError",
    "Throttled",
    "Unreachable",
]
