"""Tombstones: ends of sessions in Valkey or Redis, recorded in the database.

A failover of Valkey may lose the last writes, and a restored backup everything since it was made, so ended
sessions could come back. A session with a tombstone stays ended. The row is purged once the session would
have expired in any case.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache, partial
from hashlib import sha256

from django.db import connections, router, transaction
from django.db.models import QuerySet

from sessionkeeper import conf
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, moments
from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.models import Tombstone
from sessionkeeper.stores.database.errors import on_live_connection, translate_errors
from sessionkeeper.stores.database.writes import delete


def database() -> str:
    """Return the database of the tombstones: the writer, since a replica may lag."""
    return router.db_for_write(Tombstone)


def number_of(session_id: int) -> int:
    """Return the primary key of a session's tombstone, which differs between namespaces."""
    name = namespaces.active()
    return session_id ^ _mix(name) if name else session_id


@lru_cache(maxsize=1024)
def _mix(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") & MAX_ID


def record(ended: Collection[tuple[int, datetime]]) -> None:
    """Record that these sessions have ended, each given with its expiry.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    alias = database()
    connection = connections[alias]
    # Valkey does not roll back the end.
    context.insist(alias, namespaces.later(partial(record, ended)))
    # A backup may hold an earlier, later expiry.
    least = moments.now() + conf.current().absolute
    rows = [Tombstone(id=number_of(session_id), until=max(until, least)) for session_id, until in ended]
    with translate_errors(), transaction.atomic(using=alias) if connection.in_atomic_block else nullcontext():
        if connection.features.supports_ignore_conflicts:
            write = partial(_rows().bulk_create, rows, ignore_conflicts=True)
            on_live_connection(connection, write)
        else:
            for row in rows:  # Oracle
                if not _rows().filter(pk=row.pk).update(until=row.until):
                    _rows().bulk_create([row])


def among(session_ids: Collection[int]) -> set[int]:
    """Return those of these sessions that have a tombstone.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    numbers = {number_of(session_id): session_id for session_id in session_ids}
    with translate_errors():
        connection, rows = connections[database()], _rows().filter(pk__in=numbers)
        found: list[int] = on_live_connection(connection, list, rows.values_list("pk", flat=True))
    return {numbers[one] for one in found}


def purge(batch: int) -> None:
    """Delete tombstones that are no longer needed, in batches.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    old = _rows().filter(until__lte=moments.now()).order_by("until")
    with translate_errors():
        while ids := list(old.values_list("pk", flat=True)[:batch]):
            delete(_rows().filter(pk__in=ids))


def _rows() -> QuerySet[Tombstone]:
    return Tombstone._base_manager.using(database())
