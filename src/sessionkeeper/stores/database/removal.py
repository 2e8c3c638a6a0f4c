"""Rows go in one statement that proves its conditions itself."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from sessionkeeper.stores.database import shortcut


def delete(rows: QuerySet[Any]) -> int:
    """Delete the rows of a query, and nothing that hangs on them; return how many.

    ``QuerySet.delete`` reads first when anybody listens to ``post_delete``, and then deletes by key alone: a
    session that was used or renewed in between would be lost.
    """
    return shortcut.take(_in_one_statement, _under_lock, rows)


def _in_one_statement(rows: QuerySet[Any]) -> int:
    return rows._raw_delete(rows.db) or 0  # noqa: SLF001 - what delete() ends in


def _under_lock(rows: QuerySet[Any]) -> int:
    """Delete by what is documented: two statements, and nobody changes the rows in between."""
    with transaction.atomic(using=rows.db):
        keys = list(rows.select_for_update().values_list("pk", flat=True))
        deleted: int = rows.model._base_manager.using(rows.db).filter(pk__in=keys).delete()[0]
        return deleted
