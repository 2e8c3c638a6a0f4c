"""Whether the sessions of the engine that ``ADOPT`` names can be taken over."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.core import checks
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.core.check_ids import CheckId

#: Applications whose columns with session keys are not reported: the old table and ours.
_OWN_KEYS = {"sessions", "sessionkeeper"}


def check_adopt() -> Iterator[checks.CheckMessage]:
    """Report an engine that cannot be imported or taken over, or whose table is missing."""
    path = conf.current().adopt
    if path is None:
        return
    name = f"The engine in SESSIONKEEPER['ADOPT'], {path!r},"
    try:
        engine = import_string(f"{path}.SessionStore")
    except ImportError:
        yield checks.Error(
            f"{name} cannot be imported.",
            hint="Name the SESSION_ENGINE that was used before. If no old cookies are in use any more, "
            "remove ADOPT.",
            id=CheckId.ADOPT_MISSING,
        )
        return
    if not (isinstance(engine, type) and issubclass(engine, SessionStore)):
        yield checks.Error(
            f"{name} is not Django's db engine or a subclass of it, so its sessions cannot be taken over.",
            hint="Name Django's db or cached_db engine or a subclass of them, or remove ADOPT.",
            id=CheckId.ADOPT_IMPOSSIBLE,
        )
    elif not apps.is_installed("django.contrib.sessions") and engine.__module__.startswith("django."):
        yield checks.Error(
            f"{name} needs its table, but 'django.contrib.sessions' is not in INSTALLED_APPS.",
            hint="Keep 'django.contrib.sessions' in INSTALLED_APPS until you remove ADOPT.",
            id=CheckId.ADOPT_WITHOUT_TABLE,
        )
    yield from _stored_keys()


def _stored_keys() -> Iterator[checks.CheckMessage]:
    """Report columns that seem to hold session keys: a session that is taken over gets another key."""
    columns = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label not in _OWN_KEYS
        for field in model._meta.local_fields
        if "session_key" in field.name
    ]
    if columns:
        yield checks.Info(
            f"By their names, {', '.join(columns)} hold session keys (a guess). A session that ADOPT takes "
            "over gets another key, so rows that are stored under the old key, such as a basket, are no "
            "longer found.",
            hint="Move such rows when a session is taken over, as docs/howto/existing-project.md shows, or "
            "do without them; then silence this check. Columns with other names are not found.",
            id=CheckId.KEYS_COME_LOOSE,
        )
