"""Whether the sessions of the engine that is named in ``ADOPT`` can be taken over."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.core.checks import CheckMessage, Error, Info
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.core.check_ids import CheckId

#: Applications whose own columns of keys are no concern: the old table, and ours.
_OWN_KEYS = {"sessions", "sessionkeeper"}


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
            f"SESSIONKEEPER['ADOPT'] = {path!r} cannot be imported.", hint=hint, id=CheckId.ADOPT_MISSING
        )
        return
    if not (isinstance(engine, type) and issubclass(engine, SessionStore)):
        yield Error(
            f"SESSIONKEEPER['ADOPT'] = {path!r} is neither Django's db engine nor a subclass: its sessions "
            "cannot be taken over.",
            hint="Name Django's db, cached_db or a subclass, where one request takes a row; or remove ADOPT.",
            id=CheckId.ADOPT_IMPOSSIBLE,
        )
    elif not apps.is_installed("django.contrib.sessions") and engine.__module__.startswith("django."):
        yield Error(
            "SESSIONKEEPER['ADOPT'] needs 'django.contrib.sessions' in INSTALLED_APPS: it has the old table.",
            hint="Keep it there until ADOPT goes.",
            id=CheckId.ADOPT_WITHOUT_TABLE,
        )
    yield from _loose()


def _loose() -> Iterator[CheckMessage]:
    """Name the columns that seem to hold session keys: a session that is taken over has another key."""
    columns = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label not in _OWN_KEYS
        for field in model._meta.local_fields
        if "session_key" in field.name
    ]
    if columns:
        yield Info(
            f"By their names {', '.join(columns)} hold session keys (a guess). ADOPT gives each session "
            "another key: what is stored under the old one, a basket say, is not found any more.",
            hint="Move such rows as sessions are taken over (docs/howto/existing-project.md shows how), or "
            "do without them; then silence this. Keys under other names are not seen here.",
            id=CheckId.KEYS_COME_LOOSE,
        )
