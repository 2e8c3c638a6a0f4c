"""Whether ``SESSION_ENGINE`` is ours."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names

from sessionkeeper.engine import SessionStore

OURS = "sessionkeeper.engine"
_IDLE = {
    "django.contrib.sessions.backends.cache": "in a cache, which can lose them at any time",
    "django.contrib.sessions.backends.signed_cookies": "in the cookie itself, where no server can end them",
}


def is_ours() -> bool:
    """Whether sessions are kept by sessionkeeper, or by a subclass of its engine."""
    return _store_class() is not None


def _store_class() -> Any:
    try:
        store = import_module(settings.SESSION_ENGINE).SessionStore
    except Exception:  # noqa: BLE001 - the module is the project's; check_engine reports what it raises
        return None
    return store if isinstance(store, type) and issubclass(store, SessionStore) else None


def check_engine() -> Iterator[CheckMessage]:
    """Report an engine that is missing, idle, or not ours."""
    path = settings.SESSION_ENGINE
    try:
        import_module(path).SessionStore  # noqa: B018 - both may raise
    except Exception as error:  # noqa: BLE001 - a module of the project may raise anything
        yield Error(
            f"SESSION_ENGINE = {path!r} cannot be imported: {error}.",
            hint=f"Set SESSION_ENGINE = {OURS!r}.",
            id="sessionkeeper.E003",
        )
        return
    if is_ours():
        return
    if path in _IDLE:
        yield Warning(
            f"SESSION_ENGINE = {path!r} keeps sessions {_IDLE[path]}; sessionkeeper is installed but idle.",
            hint=f"Set SESSION_ENGINE = {OURS!r}. A cache belongs in CACHES, for data that may be lost.",
            id="sessionkeeper.W002",
        )
        return
    yield Warning(
        f"'sessionkeeper' is in INSTALLED_APPS, but SESSION_ENGINE is {path!r}: it keeps no session.",
        hint=f"Set SESSION_ENGINE = {OURS!r}, or remove 'sessionkeeper' from INSTALLED_APPS.",
        id="sessionkeeper.W001",
    )
