"""The near cache's channel over PostgreSQL: ``LISTEN`` on a connection of its own, ``NOTIFY`` with the write.

A write that others have to hear of carries its notice in the same statement (``RETURNING pg_notify(…)``): it
is told exactly when it is committed, and costs no round trip. The server sends notices before it answers a
question.
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
from sessionkeeper.stores.near_cache.channel import ListeningChannel

#: Name of the channel in the database.
NAME = "sessionkeeper_near"
_CONNECT_TIMEOUT = 2
_DEAF = (
    "no notices come through, is there a pooler in between? Name an entry of DATABASES that goes to the "
    "server directly in SESSIONKEEPER['NEAR_CACHE']['CHANNEL']"
)


class PostgresChannel(ListeningChannel):
    """A :class:`~sessionkeeper.stores.near_cache.channel.Channel` in the database ``alias``.

    ``listen_alias`` is the entry of ``DATABASES`` to listen on, where ``alias`` goes through a pooler.
    """

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

    # Listening

    def open_connection(self) -> Any:
        """Return a connection that listens, once a notice from another connection has come through."""
        import psycopg

        params = connections[self._listen_alias].get_connection_params()
        keep = {name: value for name, value in params.items() if name not in _NOT_FOR_US}
        keep.setdefault("connect_timeout", _CONNECT_TIMEOUT)
        connection = psycopg.connect(**keep, autocommit=True)
        try:
            isolation = connection.execute("SHOW default_transaction_isolation").fetchone()
            self.repeats_reads = isolation is None or isolation[0] != "read committed"
            proof = f"{self.name}_{token_hex(8)}"  # a channel that nobody else hears
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

    def ask(self, connection: Any) -> None:
        """Send a question."""
        connection.pgconn.send_query(b"SELECT 1")
        connection.pgconn.flush()

    def take_in(self, connection: Any) -> bool:
        """Read notices and the answer."""
        pgconn = connection.pgconn
        pgconn.consume_input()
        self._hear(pgconn)
        while self._asked_at is not None and not pgconn.is_busy():
            result = pgconn.get_result()
            self._hear(pgconn)
            if result is None:
                return True
        return False

    def _hear(self, pgconn: Any) -> None:
        while (notice := pgconn.notifies()) is not None:
            self.hear(notice.extra.decode("utf-8", "replace"))

    def abandon(self, connection: Any) -> None:
        """Close the socket of this process, and say nothing to the server."""
        os.close(connection.pgconn.socket)

    # Telling

    def is_usual(self) -> bool:
        """See the contract. Not in a transaction that goes on seeing what was there when it began."""
        return transactions.reads_committed(self.alias) and not (
            self.repeats_reads and transactions.is_open(self.alias)
        )

    def announcing(self) -> AbstractContextManager[Any]:
        """See the contract."""
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
        """See the contract."""
        with translate_errors(), connections[self.alias].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [self.name, message])

    def after_commit(self, function: Callable[[], None]) -> None:
        """See the contract."""
        transactions.after_commit(self.alias, function)


# What Django's parameters hold besides those of the connection.
_NOT_FOR_US = {"cursor_factory", "context", "prepare_threshold", "autocommit"}
