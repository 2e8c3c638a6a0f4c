"""The API from Python, over HTTP: ``pip install "django-sessionkeeper[client]"``.

Knows nothing of Django: it works where none is installed or configured. ``Client`` and ``AsyncClient`` have
the same methods; see ``docs/howto/python-client.md``.
"""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401 - so that its absence is told in one sentence
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        'sessionkeeper.client needs httpx: pip install "django-sessionkeeper[client]"', name=_error.name
    ) from _error

from sessionkeeper.client.blocking import Client
from sessionkeeper.client.errors import (
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
from sessionkeeper.client.nonblocking import AsyncClient

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
