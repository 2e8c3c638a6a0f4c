"""The near cache's channel over PostgreSQL: ``LISTEN`` on a separate connection, ``NOTIFY`` with the write.

A write that other processes must learn of sends its notice in the same statement (``RETURNING
pg_notify(…)``): the notice is delivered exactly when the write is committed, and costs no round trip. The
server sends pending notices before it answers a query.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from secrets import token_hex
from typing import Any

from django.db import connections

from sessionkeeper.models import Session
from sessionkeeper.stores.database import transactions
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.near_cache.channel import Channel

#: The name of the channel in the database.
NAME = "sessionkeeper_near"
_CONNECT_TIMEOUT = 2
_DEAF = (
    "no notices come through, is there a pooler in between? Name an entry of DATABASES that connects to the "
    "server directly in SESSIONKEEPER['NEAR_CACHE']['CHANNEL']"
)


class PostgresChannel(Channel):
    """A channel in the database ``alias``.

    ``listen_alias`` is the entry of ``DATABASES`` to listen on, where ``alias`` goes through a pooler.
    """

    alias: str

    def __init__(self, alias: str, listen_alias: str | None = None, name: str = NAME) -> None:
        self.alias = alias
        self.name = name
        self._listen_alias = listen_alias or alias
        self.repeats_reads = False
        super().__init__()

    @staticmethod
    def serves(alias: str) -> bool:
        """Whether a database can be listened on: PostgreSQL, with psycopg 3."""
        return connections[alias].vendor == "postgresql" and find_spec("psycopg") is not None

    # Receiving

    def open_connection(self) -> Any:
        """Return a connection that listens, after a notice from another connection has come through."""
        import psycopg

        params = connections[self._listen_alias].get_connection_params()
        keep = {name: value for name, value in params.items() if name not in _NOT_FOR_US}
        keep.setdefault("connect_timeout", _CONNECT_TIMEOUT)
        connection = psycopg.connect(**keep, autocommit=True)
        try:
            isolation = connection.execute("SHOW default_transaction_isolation").fetchone()
            self.repeats_reads = isolation is None or isolation[0] != "read committed"
            proof = f"{self.name}_{token_hex(8)}"  # a channel of this connection alone
            connection.execute(f'LISTEN "{proof}"')
            with psycopg.connect(**keep, autocommit=True) as other:
                other.execute("SELECT pg_notify(%s, '')", [proof])
            if not any(notice.channel == proof for notice in connection.notifies(timeout=1, stop_after=1)):
                raise psycopg.OperationalError(_DEAF)  # noqa: TRY301 - closed as after any other failure
            connection.execute(f'UNLISTEN "{proof}"')
            connection.execute(f'LISTEN "{self.name}"')
            connection.pgconn.nonblocking = 1
        except BaseException:
            connection.close()
            raise
        return connection

    def ping(self, connection: Any) -> None:
        """Send a query."""
        connection.pgconn.send_query(b"SELECT 1")
        connection.pgconn.flush()

    def read_messages(self, connection: Any) -> bool:
        """Read notices and the answer."""
        pgconn = connection.pgconn
        pgconn.consume_input()
        self._read_notices(pgconn)
        while self._pinged_at is not None and not pgconn.is_busy():
            result = pgconn.get_result()
            self._read_notices(pgconn)
            if result is None:
                return True
        return False

    def _read_notices(self, pgconn: Any) -> None:
        while (notice := pgconn.notifies()) is not None:
            self._deliver(notice.extra.decode("utf-8", "replace"))

    def abandon(self, connection: Any) -> None:
        """Close this process's socket without telling the server."""
        os.close(connection.pgconn.socket)

    # Sending

    def reads_committed(self) -> bool:
        """Return False in a transaction that keeps its snapshot (REPEATABLE READ)."""
        return transactions.reads_committed(self.alias) and not (
            self.repeats_reads and transactions.is_open(self.alias)
        )

    def announcing(self) -> AbstractContextManager[Any]:
        """Add the notice to each statement in this block that changes or deletes sessions."""
        return connections[self.alias].execute_wrapper(self._with_notice)

    def _with_notice(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        quote = connections[self.alias].ops.quote_name
        table = quote(Session._meta.db_table)
        starts = f"UPDATE {table} ", f"DELETE FROM {table} "  # noqa: S608 - quoted names only
        if sql.startswith(starts):
            and_also = "," if " RETURNING " in sql else " RETURNING"
            sql += f"{and_also} pg_notify('{self.name}', 's:' || {table}.{quote('id')})"
        return execute(sql, params, many, context)

    def publish(self, message: str) -> None:
        """Send a notice, which PostgreSQL delivers when the transaction is committed."""
        with translate_errors(), connections[self.alias].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [self.name, message])

    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` now, or once the current transaction on ``alias`` is committed."""
        transactions.after_commit(self.alias, function)


# Parameters of Django's that are no parameters of a connection.
_NOT_FOR_US = {"cursor_factory", "context", "prepare_threshold", "autocommit"}
