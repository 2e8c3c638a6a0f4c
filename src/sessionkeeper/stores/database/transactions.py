"""Whether what is read here and now is what was committed, and what has to wait until it is."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connections, transaction


def reads_committed(alias: str) -> bool:
    """Whether a read on this connection sees all that was committed before it.

    Not in a transaction that goes on seeing what was there when it began.
    """
    connection = connections[alias]
    if not connection.in_atomic_block:
        return bool(connection.settings_dict.get("AUTOCOMMIT", True))
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
