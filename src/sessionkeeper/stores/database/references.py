"""Ends sessions to which other models refer, such as a project's basket with a foreign key to ``Session``.

The row first becomes unusable, in one statement, whatever refers to it. Then each foreign key does what its
``on_delete`` says, and the row is deleted. Where something forbids that, an empty row stays that opens
nothing, and each purge tries again.

As everywhere in the store, no signals of ``Session`` are sent; those of the other models are.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from functools import cache
from secrets import token_bytes
from typing import Any

from django.db import Error, IntegrityError, transaction
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT, SET_DEFAULT, SET_NULL, F, Model, QuerySet
from django.db.models.deletion import Collector, ProtectedError, RestrictedError

from sessionkeeper.core.records import Revoked
from sessionkeeper.models import Session
from sessionkeeper.stores.database import writes

#: The ``family_hash`` of a session that has ended. It is not the length of a hash.
ENDED = b"ended"
_EMPTY: dict[str, Any] = {
    "user": None,
    "data": {},
    "ip_address": None,
    "user_agent": "",
    "label": "",
    "amr": "",
}
# What forbids the deletion comes first, and what only counts what the others have left comes last.
_ORDER = (PROTECT, CASCADE, SET_NULL, SET_DEFAULT, None, RESTRICT, DO_NOTHING)

log = logging.getLogger("sessionkeeper.store")


class _Kept(Exception):
    """Something refers to a session, and does not allow its deletion."""


@cache
def relations() -> tuple[Any, ...]:
    """Return the foreign keys of other models to ``Session``, hidden ones included."""
    fields: list[Any] = Session._meta.get_fields(include_hidden=True)
    return tuple(
        field
        for field in fields
        if field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)
    )


def end(rows: QuerySet[Session], those: QuerySet[Session]) -> list[Revoked]:
    """End the sessions of a query, in one statement; then delete them, where nothing forbids it.

    ``those`` are the same rows and perhaps more, by conditions that stay true.
    """
    mark = token_bytes(16)  # not the length of a hash, so that no secret has it
    with transaction.atomic(using=rows.db):
        ended = rows.update(
            secret_hash=mark,
            family_hash=ENDED,
            previous_hash=None,
            previous_at=None,
            expires_at=F("created_at"),
            version=F("version") + 1,
        )
        found = those.filter(secret_hash=mark).values_list(*Revoked._fields) if ended else ()
        revoked = [Revoked(*row) for row in found]
    bury([one.id for one in revoked], rows.db)
    return revoked


def bury(ids: Collection[int], alias: str) -> None:
    """Delete rows of ended sessions, after what refers to them; empty those that have to stay."""
    if not ids or _delete(ids, alias):
        return
    for one in ids:
        if not _delete([one], alias):
            _rows([one], alias).update(**_EMPTY)


def _delete(ids: Collection[int], alias: str) -> bool:
    """Delete these rows and what goes with them, or nothing. Return whether they are deleted."""
    try:
        with transaction.atomic(using=alias):
            for relation in _in_order():
                _follow(relation, ids, alias)
            writes.delete(_rows(ids, alias))
    except (_Kept, ProtectedError, RestrictedError, IntegrityError):
        return False
    except Error:
        raise
    except Exception:
        log.exception(
            "What refers to a session could not be deleted. The session has ended; a purge tries again."
        )
        return False
    return True


def _in_order() -> Iterator[Any]:
    for kind in _ORDER:
        for relation in relations():
            if relation.on_delete is kind or (kind is None and relation.on_delete not in _ORDER):
                yield relation


def _follow(relation: Any, ids: Collection[int], alias: str) -> None:
    """Do what a foreign key's ``on_delete`` says.

    Raises:
        _Kept, ProtectedError, RestrictedError: the sessions must not be deleted.
    """
    field, model = relation.field, relation.related_model
    rows: QuerySet[Model] = model._base_manager.using(alias).filter(**{f"{field.name}__in": ids})
    on_delete = relation.on_delete
    if on_delete in {PROTECT, RESTRICT} or (on_delete is DO_NOTHING and field.db_constraint):
        if rows.exists():
            raise _Kept
    elif on_delete is CASCADE:
        rows.delete()
    elif on_delete is SET_NULL:
        rows.update(**{field.name: None})
    elif on_delete is SET_DEFAULT:
        rows.update(**{field.name: field.get_default()})
    elif on_delete is not DO_NOTHING and not hasattr(on_delete, "on_delete_sql") and rows.exists():
        # SET(), or a function of the project's.
        collector = Collector(using=alias)
        on_delete(collector, field, rows, alias)
        collector.delete()


def _rows(ids: Collection[int], alias: str) -> QuerySet[Session]:
    return Session._base_manager.using(alias).filter(pk__in=ids)
