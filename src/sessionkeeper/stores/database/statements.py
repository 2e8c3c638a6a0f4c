"""Writes one session in one statement, without the ORM, which takes longer to compile it than to execute it.

The statements are for PostgreSQL and SQLite, check their conditions themselves, and return the row as they
wrote it. They run where the read of a request does (see ``cursors``), so everything that watches statements
sees them. Other databases use the ORM, and so does a process in which this path has failed: see ``shortcut``.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from sessionkeeper.conf import namespaces
from sessionkeeper.core.records import NewSession, SessionPatch, SessionRecord
from sessionkeeper.models import Session
from sessionkeeper.stores.database import cursors, select

_FIELDS: dict[str, Any] = {field.attname: field for field in Session._meta.concrete_fields}
#: The most keys that SQLite sets or removes in one statement; its functions take 100 arguments.
_MOST_KEYS = 40
# Stands for the time of the database's own clock.
_NOW = datetime(2000, 1, 1, tzinfo=UTC)


class _Columns:
    """The columns that a statement writes, as SQL, and the parameters of that SQL."""

    def __init__(self, connection: Any, now: datetime | None) -> None:
        self.connection = connection
        self.names: list[str] = []
        self.sql: list[str] = []
        self.params: list[Any] = []
        self._now = now

    def add(self, name: str, sql: str, *params: Any) -> None:
        """Write the value of an SQL expression."""
        self.names.append(name)
        self.sql.append(sql)
        self.params += params

    def value(self, name: str, value: Any) -> None:
        """Write a value as Django would."""
        self.add(name, "%s", _FIELDS[name].get_db_prep_save(value, self.connection))

    def now(self, name: str) -> None:
        """Write the time of the store's clock."""
        self.add(name, *self.clock())

    def clock(self) -> tuple[Any, ...]:
        """Return the SQL of the store's clock and its parameters."""
        if self._now is None:
            return ("statement_timestamp()",)
        return "%s", _FIELDS["last_seen_at"].get_db_prep_save(self._now, self.connection)

    def expiry(self, lifetime: timedelta | datetime) -> None:
        """Write the end of a lifetime that begins now."""
        if isinstance(lifetime, timedelta) and self._now is None:
            # In seconds: when clocks change, a day in the connection's time zone has 23 or 25 hours.
            seconds = lifetime.total_seconds()
            self.add("expires_at", "statement_timestamp() + make_interval(secs => %s)", seconds)
        else:
            self.value("expires_at", lifetime if self._now is None else _end(lifetime, self._now))

    def data(self, text: str) -> None:
        """Write JSON text."""
        self.add("data", "%s::jsonb" if self.connection.vendor == "postgresql" else "%s", text)


def _end(lifetime: timedelta | datetime, now: datetime) -> datetime:
    return now + lifetime if isinstance(lifetime, timedelta) else lifetime


def are_possible(connection: Any) -> bool:
    """Return whether the database is one of those for which these statements are written."""
    if connection.vendor == "sqlite":
        return bool(connection.features.can_return_rows_from_bulk_insert)
    return bool(connection.vendor == "postgresql")


def can_merge(connection: Any, changes: SessionPatch) -> bool:
    """Return whether one statement can merge these changes: SQLite cannot spell all names of keys."""
    if not are_possible(connection):
        return False
    if connection.vendor == "postgresql" or changes.replace:
        return True
    names = json.loads(changes.patch)
    return max(len(names), len(changes.deleted)) <= _MOST_KEYS and all(
        map(_is_plain, (*names, *changes.deleted))
    )


def _is_plain(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and '"' not in name and "\\" not in name


def merge(
    connection: Any, session_id: int, secret_hash: bytes, changes: SessionPatch, now: datetime | None
) -> SessionRecord | None:
    """Write what a request changed. Returns the session as it is now, or None if the secret opens none.

    ``now`` is None for the database's own clock.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    columns = _Columns(connection, now)
    for name, value in changes.facts.items():
        columns.value(name, value)
    columns.now("last_seen_at")
    columns.add("version", f"{_quoted(connection, 'version')} + 1")
    if changes.lifetime is not None:
        columns.expiry(changes.lifetime)
    if changes.authenticated:
        columns.now("authenticated_at")
    if changes.replace:
        columns.data(changes.patch)
    elif connection.vendor == "postgresql":
        columns.add("data", "(data - %s::text[]) || %s::jsonb", list(changes.deleted), changes.patch)
    elif changes.deleted or changes.patch != "{}":
        columns.add("data", *_on_sqlite(changes))
    return _update(columns, session_id, secret_hash)


def _on_sqlite(changes: SessionPatch) -> tuple[Any, ...]:
    sql, params = "data", []
    if changes.deleted:
        sql = f"json_remove({sql}{', %s' * len(changes.deleted)})"
        params = [f'$."{name}"' for name in changes.deleted]
    values = json.loads(changes.patch)
    if values:
        sql = f"json_set({sql}{', %s, json(%s)' * len(values)})"
        params += [part for name, value in values.items() for part in (f'$."{name}"', json.dumps(value))]
    return sql, *params


def touch(connection: Any, session_id: int, secret_hash: bytes, now: datetime | None) -> bool:
    """Record the use of a session, also the first use of a renewed secret. Returns whether there is one.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    columns = _Columns(connection, now)
    columns.now("last_seen_at")
    clock, *at = columns.clock()
    first_use = f"secret_hash = %s AND previous_hash IS NOT NULL AND previous_at IS NULL THEN {clock}"
    columns.add(
        "previous_at", f"CASE WHEN {first_use} ELSE previous_at END", _hash(connection, secret_hash), *at
    )
    return _update(columns, session_id, secret_hash) is not None


def insert(connection: Any, new: NewSession, now: datetime | None) -> SessionRecord:
    """Store a new session, and return it. It is not tried again if the connection was lost.

    Raises:
        django.db.Error: as any cursor of Django's does; IntegrityError if the id is taken.
    """
    columns = _Columns(connection, now)
    for name, value in new.record_at(now or _NOW, namespaces.active())._asdict().items():
        if value is _NOW:
            columns.now(name)
        elif name == "expires_at":
            columns.expiry(new.lifetime)
        elif name == "data":
            columns.data(value)
        else:
            columns.value(name, value)
    names = ", ".join(_quoted(connection, name) for name in columns.names)
    into = f"INSERT INTO {_table(connection)} ({names}) VALUES ({', '.join(columns.sql)})"  # noqa: S608
    record = _execute(connection, into, columns.params, is_repeatable=False)
    if record is None:
        raise RuntimeError("The INSERT returned no row.")
    return record


def _update(columns: _Columns, session_id: int, secret_hash: bytes) -> SessionRecord | None:
    connection = columns.connection
    written = ", ".join(
        f"{_quoted(connection, name)} = {sql}" for name, sql in zip(columns.names, columns.sql, strict=True)
    )
    proof = _hash(connection, secret_hash)
    return _execute(
        connection,
        f"UPDATE {_table(connection)} SET {written} "  # noqa: S608 - names of columns, and placeholders
        "WHERE id = %s AND namespace = %s AND (secret_hash = %s OR previous_hash = %s)",
        [*columns.params, session_id, namespaces.active(), proof, proof],
    )


def _execute(
    connection: Any, sql: str, params: list[Any], *, is_repeatable: bool = True
) -> SessionRecord | None:
    returned = select.returned(connection)
    with _marked(connection):
        row = cursors.fetch_one(
            connection, f"{sql} RETURNING {returned.sql}", params, is_repeatable=is_repeatable
        )
    return None if row is None else select.record(returned, row, connection)


def _marked(connection: Any) -> AbstractContextManager[Any]:
    """Return what marks the current transaction, if there is one, as broken by an error."""
    if connection.in_atomic_block:
        return transaction.mark_for_rollback_on_error(using=connection.alias)
    return nullcontext()


def _hash(connection: Any, value: bytes) -> Any:
    return _FIELDS["secret_hash"].get_db_prep_save(value, connection)


def _table(connection: Any) -> str:
    return str(connection.ops.quote_name(Session._meta.db_table))


def _quoted(connection: Any, name: str) -> str:
    return str(connection.ops.quote_name(_FIELDS[name].column))
