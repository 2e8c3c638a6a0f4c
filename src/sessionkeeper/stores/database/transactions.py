"""Transactions: whether what is read was committed, what waits until it is, and who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction

from sessionkeeper.conf import namespaces
from sessionkeeper.models import Session

# Tells our advisory locks from those of others: "sk" twice, as a number.
_LOCKS = 0x736B736B


def reads_committed(alias: str) -> bool:
    """Whether a read on this connection sees all that was committed before it.

    Not in a transaction that goes on seeing what was there when it began.
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
    """Whether a transaction is under way."""
    return bool(connections[alias].in_atomic_block)


def after_commit(alias: str, function: Callable[[], None]) -> None:
    """Call a function now, or once the transaction under way is committed."""
    if is_open(alias):
        transaction.on_commit(function, using=alias)
    else:
        function()


@contextmanager
def alone(alias: str, user_id: Any) -> Iterator[None]:
    """Be the only one who signs this user in, until the transaction ends that this begins or is part of.

    It is what a limit on sessions needs; without one nobody takes this lock. PostgreSQL has locks for it,
    SQLite one for everything. Elsewhere the user's row is locked, if the users live in this database.
    """
    connection = connections[alias]
    with transaction.atomic(using=alias):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, namespaces.apart(str(user_id))]
                )
        elif connection.vendor == "sqlite":
            Session._base_manager.using(alias).filter(pk=-1).update(version=0)  # begins to write
        else:
            model: Any = get_user_model()
            if router.db_for_write(model) == alias:
                users = model._base_manager.using(alias).filter(pk=user_id)
                list(users.select_for_update().values_list("pk"))
        yield
