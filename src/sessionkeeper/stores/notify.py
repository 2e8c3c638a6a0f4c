"""The near cache's channel over PostgreSQL: ``LISTEN`` on a connection of its own, ``NOTIFY`` with the write.

A write that others have to hear of carries its notice in the same statement (``RETURNING pg_notify(…)``): it
is told exactly when it is committed, and costs no round trip. Each process asks its listening connection for
an answer four times a second. The server sends notices first: an answer proves that nothing is missing that
was committed before the question. Without a fresh one, nothing that is remembered is believed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from secrets import token_hex
from typing import Any
from weakref import WeakSet, ref

from django.db import connections, transaction

from sessionkeeper.models import Session
from sessionkeeper.stores.outage import outages

#: Name of the channel in the database.
NAME = "sessionkeeper_near"
#: Seconds between two questions; after how many without an answer nothing is believed; and after how many the
#: connection is given up for a new one.
BEAT, DISTRUST, GIVE_UP = 0.25, 0.75, 2.0
_CONNECT_TIMEOUT = 2
_DEAF = (
    "no notices come through, is there a pooler in between? Name an entry of DATABASES that goes to the "
    "server directly in SESSIONKEEPER['NEAR_CACHE']['CHANNEL']"
)

log = logging.getLogger("sessionkeeper.near")


class PostgresChannel:
    """A :class:`~sessionkeeper.stores.near.Channel` in the database ``alias``.

    ``listen_alias`` is the entry of ``DATABASES`` to listen on, where ``alias`` goes through a pooler.
    """

    def __init__(self, alias: str, listen_alias: str | None = None, name: str = NAME) -> None:
        self.alias = alias
        self.name = name
        self._listen_alias = listen_alias or alias
        self._receive: Callable[[str], None] = lambda message: None
        self._epochs = 0
        self._closed = False
        self.reset()
        _all.add(self)

    @staticmethod
    def serves(alias: str) -> bool:
        """Whether a database can be listened on: PostgreSQL, with psycopg 3."""
        return connections[alias].vendor == "postgresql" and find_spec("psycopg") is not None

    def reset(self) -> None:
        """Let go of connection, thread and lock without a word; for the child of a fork."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._asked_at: float | None = None
        self._proven_at = 0.0
        self._said_cut = False
        self.repeats_reads = False

    # Listening

    @property
    def epoch(self) -> int:
        """See the contract."""
        return self._epochs if self._connection is not None else 0

    def subscribe(self, receive: Callable[[str], None]) -> None:
        """See the contract."""
        self._receive = receive

    def is_trusted(self) -> bool:
        """See the contract. Costs one system call, 0.2 µs, while nothing has arrived."""
        if self._thread is None:
            self._begin()
        with self._lock:
            if self._connection is not None:
                self._drain()
            return self._connection is not None and time.monotonic() - self._proven_at <= DISTRUST

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=_beat, args=(ref(self), self._stop), name="sessionkeeper-near", daemon=True
                )
                self._thread.start()

    def _drain(self) -> None:
        """Take in what the socket holds, without waiting. Called with the lock held."""
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            self._hear(pgconn)
            while self._asked_at is not None and not pgconn.is_busy():
                result = pgconn.get_result()
                self._hear(pgconn)
                if result is None:
                    self._proven_at, self._asked_at = self._asked_at, None
        except Exception as error:  # noqa: BLE001 - whatever the driver says: it is not proven any more
            self._cut(str(error))

    def _hear(self, pgconn: Any) -> None:
        while (notice := pgconn.notifies()) is not None:
            self._receive(notice.extra.decode("utf-8", "replace"))

    def beat(self) -> None:
        """Ask for a sign of life, or connect anew; called by the thread."""
        if self._connection is None:
            self._connect()
        with self._lock:
            if self._connection is None:
                return
            self._drain()
            now = time.monotonic()
            if self._asked_at is None:
                self._ask(now)
            elif now - self._asked_at > GIVE_UP:
                self._cut(f"no answer for {GIVE_UP:g} seconds")
            if now - self._proven_at > DISTRUST:
                self._say_cut("no answer in time")
            elif self._said_cut and self._connection is not None:
                self._said_cut = False
                log.warning("The near cache is on, its channel works.")

    def _ask(self, now: float) -> None:
        if self._connection is None:
            return
        try:
            self._connection.pgconn.send_query(b"SELECT 1")
            self._connection.pgconn.flush()
            self._asked_at = now
        except Exception as error:  # noqa: BLE001 - as above
            self._cut(str(error))

    def _connect(self) -> None:
        try:
            connection = self._listen()
        except Exception as error:  # noqa: BLE001 - no channel, whatever the reason: the store is read
            self._say_cut(str(error))
            return
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._asked_at, self._proven_at = None, time.monotonic()
            self._epochs += 1
            self._connection = connection

    def _listen(self) -> Any:
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

    def _cut(self, reason: str) -> None:
        with suppress(Exception):
            self._connection.close()
        self._connection, self._asked_at = None, None
        self._say_cut(reason)

    def _say_cut(self, reason: str) -> None:
        if not self._said_cut:
            self._said_cut = True
            because = reason.strip().rstrip(".")
            log.warning("The near cache is off, its channel is cut: %s. The store is read instead.", because)

    def close(self) -> None:
        """See the contract."""
        self._closed = True
        self._stop.set()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # Telling

    def is_usual(self) -> bool:
        """See the contract. Not in a transaction that goes on seeing what was there when it began."""
        connection = connections[self.alias]
        if not connection.settings_dict["AUTOCOMMIT"]:
            return False
        return not connection.in_atomic_block or not (self.repeats_reads or _repeats_reads(connection))

    def announcing(self) -> AbstractContextManager[Any]:
        """See the contract."""
        return connections[self.alias].execute_wrapper(self._with_notice)

    def _with_notice(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        quote = connections[self.alias].ops.quote_name
        table = quote(Session._meta.db_table)
        starts = f"UPDATE {table} ", f"DELETE FROM {table} "  # noqa: S608 - quoted names only
        if sql.startswith(starts) and " RETURNING " not in sql:
            sql += f" RETURNING pg_notify('{self.name}', 's:' || {table}.{quote('id')})"
        return execute(sql, params, many, context)

    def publish(self, message: str) -> None:
        """See the contract."""
        with outages(), connections[self.alias].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [self.name, message])

    def after_commit(self, function: Callable[[], None]) -> None:
        """See the contract."""
        if connections[self.alias].in_atomic_block:
            transaction.on_commit(function, using=self.alias)
        else:
            function()


# What Django's parameters hold besides those of the connection.
_NOT_FOR_US = {"cursor_factory", "context", "prepare_threshold", "autocommit"}


def _repeats_reads(connection: Any) -> bool:
    level = getattr(connection, "isolation_level", None)
    return level is not None and getattr(level, "name", "") != "READ_COMMITTED"


def _beat(channel: ref[PostgresChannel], stop: threading.Event) -> None:
    while (alive := channel()) is not None and not stop.is_set():
        alive.beat()
        del alive
        stop.wait(BEAT)


_all: WeakSet[PostgresChannel] = WeakSet()


def _let_go() -> None:
    """Take nothing over from the parent of a fork: its connection stays its own."""
    for channel in list(_all):
        inherited = channel._connection  # noqa: SLF001
        if inherited is not None:
            with suppress(OSError):
                os.close(inherited.pgconn.socket)
        channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
