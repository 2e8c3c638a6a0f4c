"""Ends of sessions that lie outside of the database, recorded in it.

A failover of Valkey may lose the last writes, and a restored copy all since it was made: sessions that were
ended would live again. What is recorded here stays ended. A row is needed until the session could have lived
no longer, and is purged then.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from datetime import datetime
from functools import partial

from django.db import connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from sessionkeeper import conf
from sessionkeeper.models import Tombstone
from sessionkeeper.stores.converters import aware
from sessionkeeper.stores.outage import on_live_connection, outages
from sessionkeeper.stores.removal import delete
from sessionkeeper.stores.written import native


def database() -> str:
    """Return the database that has them: where they are written, since a replica may lag."""
    return router.db_for_write(Tombstone)


def record(ended: Collection[tuple[int, datetime]]) -> None:
    """Record that these sessions have ended, each given with when it would have ended by itself.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    alias = database()
    connection = connections[alias]
    # A copy may be from before a shorter life was set.
    least = aware(timezone.now()) + conf.current().absolute
    rows = [Tombstone(id=session_id, until=native(max(until, least))) for session_id, until in ended]
    with outages(), transaction.atomic(using=alias) if connection.in_atomic_block else nullcontext():
        if connection.features.supports_ignore_conflicts:
            write = partial(_rows().bulk_create, rows, ignore_conflicts=True)
            on_live_connection(connection, write)
        else:
            for row in rows:
                row.save(using=alias)


def among(session_ids: Collection[int]) -> set[int]:
    """Return those of these sessions whose end is recorded.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    with outages():
        connection, rows = connections[database()], _rows().filter(pk__in=session_ids)
        return set(on_live_connection(connection, list, rows.values_list("pk", flat=True)))


def purge(batch: int) -> None:
    """Remove what is not needed any more, in batches.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    old = _rows().filter(until__lte=native(aware(timezone.now()))).order_by("until")
    with outages():
        while ids := list(old.values_list("pk", flat=True)[:batch]):
            delete(_rows().filter(pk__in=ids))


def _rows() -> QuerySet[Tombstone]:
    return Tombstone._base_manager.using(database())
