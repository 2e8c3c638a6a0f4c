"""Whether ``SESSION_ENGINE`` is ours."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info

from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.engine.session_store import SessionStore

OURS = "sessionkeeper.engine"
_ELSEWHERE = {
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
    """Report an engine that is missing, and say that one is not ours.

    That is no warning: the application and its tables may be there days before the engine is switched.
    """
    path = settings.SESSION_ENGINE
    try:
        import_module(path).SessionStore  # noqa: B018 - both may raise
    except Exception as error:  # noqa: BLE001 - a module of the project may raise anything
        yield Error(
            f"SESSION_ENGINE = {path!r} cannot be imported: {error}.",
            hint=f"Set SESSION_ENGINE = {OURS!r}.",
            id=CheckId.NO_ENGINE,
        )
        return
    if is_ours():
        return
    yield Info(
        f"SESSION_ENGINE is {path!r}: sessionkeeper is installed and keeps no session yet"
        f"{'; they are ' + _ELSEWHERE[path] if path in _ELSEWHERE else ''}.",
        hint=f"Nothing, while you get ready; to switch, set SESSION_ENGINE = {OURS!r}.",
        id=CheckId.ENGINE_NOT_OURS,
    )
