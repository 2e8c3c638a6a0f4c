"""Whether ``SESSION_ENGINE`` is sessionkeeper's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core import checks

from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.engine.session_store import SessionStore

Check = Callable[[], Iterator[checks.CheckMessage]]

OURS = "sessionkeeper.engine"
_ELSEWHERE = {
    "django.contrib.sessions.backends.cache": " Sessions are kept in a cache, which may lose them.",
    "django.contrib.sessions.backends.signed_cookies": " Sessions are kept in cookies, beyond revocation.",
}


def is_ours() -> bool:
    """Whether sessions are kept by sessionkeeper's engine, or by a subclass of it."""
    try:
        store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    except Exception:  # noqa: BLE001 - a module of the project may raise anything; check_engine reports it
        return False
    return isinstance(store, type) and issubclass(store, SessionStore)


def if_ours(check: Check) -> Check:
    """Let a check say nothing where another engine keeps the sessions."""

    @wraps(check)
    def run() -> Iterator[checks.CheckMessage]:
        if is_ours():
            yield from check()

    return run


def check_engine() -> Iterator[checks.CheckMessage]:
    """Report an engine that cannot be imported, and another engine than ours.

    The latter is no warning: the application may be deployed, with its tables, days before the engine.
    """
    path = settings.SESSION_ENGINE
    try:
        import_module(path).SessionStore  # noqa: B018 - both may raise
    except Exception as error:  # noqa: BLE001 - a module of the project may raise anything
        yield checks.Error(
            f"SESSION_ENGINE {path!r} cannot be imported: {error}.",
            hint=f"Set SESSION_ENGINE = {OURS!r}.",
            id=CheckId.NO_ENGINE,
        )
        return
    if not is_ours():
        yield checks.Info(
            f"sessionkeeper is installed but not used: SESSION_ENGINE is {path!r}.{_ELSEWHERE.get(path, '')}",
            hint=f"To use it, set SESSION_ENGINE = {OURS!r}. Until then nothing needs to be done.",
            id=CheckId.ENGINE_NOT_OURS,
        )
