"""One user's sign-ins, one after the other: what a limit on sessions needs of a database.

Nothing else waits for this lock, and without a limit nobody takes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction

from sessionkeeper.conf import namespaces
from sessionkeeper.models import Session

# Tells our advisory locks from those of others: "sk" twice, as a number.
_LOCKS = 0x736B736B


@contextmanager
def alone(alias: str, user_id: Any) -> Iterator[None]:
    """Be the only one who signs this user in, until the transaction ends that this begins or is part of.

    PostgreSQL has locks for it, SQLite one for everything. Elsewhere the user's row is locked, if the users
    live in this database.
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
