"""Transactions: whether reads are current, callbacks after the commit, and the lock for sign-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connections, router, transaction

from sessionkeeper.conf import namespaces

# The class of our advisory locks: "sk" twice, as a number.
_LOCKS = 0x736B736B


def reads_committed(alias: str) -> bool:
    """Whether a read on this connection sees everything that was committed before it.

    It does not in a transaction that keeps the snapshot of its beginning.
    """
    connection = connections[alias]
    if not connection.settings_dict.get("AUTOCOMMIT", True):
        return False
    if not connection.in_atomic_block:
        return True
    level = getattr(connection, "isolation_level", None)
    return connection.vendor == "postgresql" and (
        level is None or getattr(level, "name", "") == "READ_COMMITTED"
    )


def is_open(alias: str) -> bool:
    """Whether there is a current transaction."""
    return bool(connections[alias].in_atomic_block)


def after_commit(alias: str, function: Callable[[], None]) -> None:
    """Call a function now, or once the current transaction is committed."""
    if is_open(alias):
        transaction.on_commit(function, using=alias)
    else:
        function()


@contextmanager
def alone(alias: str, user_id: Any) -> Iterator[None]:
    """Hold the lock for sign-ins of a user until the end of the transaction, which this begins or joins.

    Only a limit on sessions needs it. PostgreSQL has advisory locks, and SQLite one lock for all writes.
    Other databases lock the user's row, if they hold the users.
    """
    connection = connections[alias]
    with transaction.atomic(using=alias):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, namespaces.apart(str(user_id))]
                )
        elif connection.vendor == "sqlite":
            sessions: Any = apps.get_model("sessionkeeper", "Session")
            sessions._base_manager.using(alias).filter(pk=-1).update(version=0)  # takes the write lock
        else:
            model: Any = get_user_model()
            if router.db_for_write(model) == alias:
                users = model._base_manager.using(alias).filter(pk=user_id)
                list(users.select_for_update().values_list("pk"))
        yield
