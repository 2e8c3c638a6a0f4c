"""Other people's tables of session keys, which follow when a session gets another key."""

from __future__ import annotations

import logging
from contextlib import nullcontext

from django.apps import apps
from django.db import DatabaseError, connections, router, transaction

from sessionkeeper.core import greenlets

#: Applications that keep the keys of sessions, and the model and the field that do.
_TABLES = {"allauth.usersessions": ("usersessions.UserSession", "session_key")}

log = logging.getLogger("sessionkeeper.security")


def follow(old: str, new: str) -> None:
    """Write the new key of a session where another application has the old one. Best effort."""
    for application, (model, field) in _TABLES.items():
        if apps.is_installed(application):
            greenlets.run_in_database_thread(_replace, model, field, old, new)


def _replace(model: str, field: str, old: str, new: str) -> None:
    table = apps.get_model(model)
    alias = router.db_for_write(table)
    try:
        # A failure must not break the transaction that it is in.
        with transaction.atomic(using=alias) if connections[alias].in_atomic_block else nullcontext():
            table._base_manager.using(alias).filter(**{field: old}).update(**{field: new})
    except DatabaseError:
        log.exception("%s keeps the key that a session had before.", model)
