"""The statement of a request, prepared on the PostgreSQL connection: the server plans it once, not each time.

Only where it is safe to be wrong. Behind a pooler that hands one server connection to several clients, a
statement that was prepared may not be there, or be there already: then the whole statement is sent, which
costs one round trip, and after a few such losses this process prepares nothing more on that database. Inside
a transaction, which such an error would break, the whole statement is sent in any case; so it is where
somebody reads statements: the query log, ``DEBUG``, execute wrappers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from django.db import DatabaseError

#: Uses of a statement on one connection after which it is prepared: a connection for each request never is.
USES = 5
#: Statements that are prepared on one connection.
MOST = 8
#: Losses on one database after which this process prepares nothing more there.
MOST_LOSSES = 3

# PostgreSQL's SQLSTATEs: no such prepared statement, it exists already, a plan that fits its tables no more.
_LOST = frozenset({"26000", "42P05", "0A000"})
_losses: Counter[str] = Counter()


class Prepared:
    """What is prepared on one connection of the driver's."""

    __slots__ = ("_names", "_uses")

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def named(
        self, connection: Any, execute: Callable[..., Any], sql: str, params: list[Any], types: Sequence[str]
    ) -> tuple[str, list[Any]]:
        """Return what executes a statement by name, once it is prepared; else ``sql`` and ``params``.

        ``types`` are those of its parameters; a single one where all parameters are the same value.

        Raises:
            django.db.Error: as any cursor of Django's does.
        """
        if not _is_safe(connection):
            return sql, params
        try:
            name = self._names.get(sql) or self._prepare(execute, sql, params, types)
        except DatabaseError as error:
            if not self.is_lost(connection, error):
                raise
            name = None
        if name is None:
            return sql, params
        return f"EXECUTE {name}({', '.join(['%s'] * len(types))})", params[: len(types)]

    def is_lost(self, connection: Any, error: DatabaseError) -> bool:
        """Whether an error says that what was prepared is not there, or another; then all is forgotten."""
        if _state(error) not in _LOST:
            return False
        _losses[connection.alias] += 1
        self._uses.clear()
        self._names.clear()
        return True

    def _prepare(
        self, execute: Callable[..., Any], sql: str, params: list[Any], types: Sequence[str]
    ) -> str | None:
        uses = self._uses.get(sql, 0)
        if uses < USES:
            if uses or len(self._uses) < MOST:
                self._uses[sql] = uses + 1
            return None
        # Named by what it says, so that whoever finds it there finds the right one.
        name = f"sessionkeeper_{sha256(sql.encode()).hexdigest()[:32]}"
        places = tuple("$1" if len(types) == 1 else f"${number + 1}" for number in range(len(params)))
        execute(f"PREPARE {name}({', '.join(types)}) AS {sql % places}", None)
        self._names[sql] = name
        return name


def _is_safe(connection: Any) -> bool:
    options = connection.settings_dict
    return (
        not connection.in_atomic_block
        and connection.autocommit
        and not connection.execute_wrappers
        and not connection.queries_logged
        and not options.get("DISABLE_SERVER_SIDE_CURSORS")  # Django's setting for such poolers
        and not options.get("OPTIONS", {}).get(
            "server_side_binding"
        )  # the driver prepares by itself, if asked to
        and _losses[connection.alias] < MOST_LOSSES
    )


def _state(error: DatabaseError) -> str | None:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
