"""Whether the sessions of the engine that is named in ``ADOPT`` can be taken over."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from sessionkeeper import conf


def check_adopt() -> Iterator[CheckMessage]:
    """Report an engine that is missing, of another kind, ours, or without its table."""
    path = conf.current().adopt
    if path is None:
        return
    hint = "Name the SESSION_ENGINE of before, or remove ADOPT when nobody comes with an old cookie any more."
    try:
        engine = import_string(f"{path}.SessionStore")
    except ImportError:
        yield Error(
            f"SESSIONKEEPER['ADOPT'] = {path!r} cannot be imported.", hint=hint, id="sessionkeeper.E013"
        )
        return
    if not (isinstance(engine, type) and issubclass(engine, SessionStore)):
        yield Error(
            f"SESSIONKEEPER['ADOPT'] = {path!r} keeps no table of sessions: they cannot be taken over.",
            hint="Only those of Django's db and cached_db and their subclasses can: one request takes a row.",
            id="sessionkeeper.E019",
        )
    elif not apps.is_installed("django.contrib.sessions") and engine.__module__.startswith("django."):
        yield Error(
            "SESSIONKEEPER['ADOPT'] needs 'django.contrib.sessions' in INSTALLED_APPS: it has the old table.",
            hint="Keep it there until ADOPT goes.",
            id="sessionkeeper.E015",
        )
