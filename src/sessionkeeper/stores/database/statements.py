"""Reads a session and its user, or writes a session, in one statement, without the ORM.

The SQL for reading is compiled once per process, database and user model, from the session's columns and
``user_query``. The statements that write are for PostgreSQL and SQLite, check their conditions themselves,
and return the row as they wrote it. All run on Django's own connection and in its transactions, by
``cursors``, so everything that watches statements sees them. Other databases write by the ORM, and the
database store falls back to it where this path fails: see ``shortcut``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connections, models, transaction
from django.utils import timezone

from sessionkeeper.conf import namespaces
from sessionkeeper.core import moments
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import Lookup, NewSession, Revoked, SessionPatch, SessionRecord
from sessionkeeper.models import Session
from sessionkeeper.stores.codec import as_bytes, as_text
from sessionkeeper.stores.database import cursors, user_query
from sessionkeeper.stores.database.user_query import (
    Converter,
    UserColumns,
    UserQueryKey,
    as_text_in_utc,
    is_text_in_utc,
    undeclared,
)

_FIELDS: list[Any] = [
    Session._meta.get_field("user" if name == "user_id" else name) for name in SessionRecord._fields
]
_WIDTH = len(_FIELDS)


class Statement(NamedTuple):
    """A SELECT that takes a session id (twice with a principal), and how to convert its row."""

    sql: str
    params: tuple[Any, ...]
    converters: Sequence[Converter]
    times: Sequence[int]  # positions of times that are selected as text
    user: UserColumns | None = None
    server_clock: bool = False
    types: tuple[str, ...] = ("bigint",)  # where the session id is the only parameter, else none


def read(connection: Any, session_id: int, *, principal: bool, server_clock: bool) -> Lookup | None:
    """Run the statement on one of Django's connections. Database errors pass through.

    Raises:
        CorruptPayload: a column holds an invalid value.
    """
    alias = connection.alias
    statement = _statement(alias, principal=principal, server_clock=server_clock)
    given = [session_id if param is _ID else param for param in statement.params]
    rows = cursors.fetch_all(connection, statement.sql, given, types=statement.types)
    if not rows:
        return None
    row = rows[0]
    found = record(statement, row, connection)
    now = row[_WIDTH].replace(tzinfo=UTC) if server_clock else timezone.now()
    if now.tzinfo is not UTC:  # Django's clock under USE_TZ = False
        now = moments.aware(now)
    if statement.user is None:
        return Lookup(found, now)
    is_current = partial(_is_current, statement, alias)
    user, snapshot = statement.user.read(connection, list(row[_WIDTH + 1 :]), is_current)
    return Lookup(found, now, user, snapshot)


def record(statement: Statement, row: Sequence[Any], connection: Any, kind: Any = SessionRecord) -> Any:
    """Return the session in the first values of a row, or a part of it as another ``kind`` of tuple.

    Raises:
        CorruptPayload: a time is not valid.
    """
    values = list(row[: len(kind._fields)])
    try:
        for index in statement.times:
            value = values[index]
            if value is not None:
                values[index] = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise CorruptPayload("A time of the stored session cannot be read.") from error
    for index, function, expression in statement.converters:
        values[index] = function(values[index], expression, connection)
    return kind._make(values)


def returned(connection: Any, kind: Any = SessionRecord) -> Statement:
    """Return the columns of a session for the RETURNING of a statement that writes it."""
    return _returned(connection.alias, kind, connection.vendor, connection.timezone, settings.USE_TZ)


@lru_cache(maxsize=16)
def _returned(alias: str, kind: Any, *_: Any) -> Statement:
    connection = connections[alias]
    fields = [_BY_NAME[name] for name in kind._fields]
    columns, converters, times = _session_columns(connection, _table(connection), fields)
    return Statement(columns, (), converters, times)


_ID = object()


def _statement(alias: str, *, principal: bool, server_clock: bool) -> Statement:
    key = user_query.query_key(alias) if principal else None
    build = partial(_build, alias, key, server_clock=server_clock)
    statement: Statement = user_query.cached((alias, server_clock, key), build)
    return statement


def _build(alias: str, key: UserQueryKey | None, *, server_clock: bool) -> Statement:
    connection = connections[alias]
    table = connection.ops.quote_name(Session._meta.db_table)
    columns, converters, times = _session_columns(connection)
    clock = moments.in_utc(connection, "statement_timestamp()") if server_clock else "NULL"
    selected = f"{columns}, {clock}"
    user = _user_part(alias, key.model) if key is not None else None
    if user is None:
        sql = f"SELECT {selected} FROM {table} s WHERE s.id = %s"  # noqa: S608 - quoted names only
        return Statement(sql, (_ID,), converters, times)
    return Statement(
        f"SELECT {selected}, {user.columns} FROM {table} s LEFT JOIN {user.source} "  # noqa: S608 - as above
        f"ON {user.condition} WHERE s.id = %s",
        (*user.params, _ID),
        converters,
        times,
        user,
        server_clock=server_clock,
        types=("bigint",) if all(param is _ID for param in user.params) else (),
    )


def _user_part(alias: str, model: Any) -> UserColumns | None:
    """Compile the user's part."""
    marker = -(2**62) - 5  # stands for the session id; never a valid one
    ids = Session.objects.using(alias).filter(id=marker).values("user_id")[:1]
    part = user_query.select(alias, model, models.Subquery(ids), "s.user_id", ())
    if part is None:
        return None
    return part._replace(params=tuple(_ID if param == marker else param for param in part.params))


def _session_columns(connection: Any, table: str = "s", fields: Sequence[Any] = _FIELDS) -> tuple[Any, ...]:
    """Return the SQL of the session's columns, their converters, and the times selected as text."""
    quoted = [f"{table}.{connection.ops.quote_name(field.column)}" for field in fields]
    converters: list[Converter] = []
    times: list[int] = []
    for index, field in enumerate(fields):
        if isinstance(field, models.DateTimeField) and is_text_in_utc(connection):
            quoted[index] = as_text_in_utc(quoted[index])
            times.append(index)
            continue
        if not field.is_relation:
            quoted[index] = undeclared(connection, quoted[index])
        column = field.get_col("s")
        functions = list(connection.ops.get_db_converters(column))
        if isinstance(field, models.JSONField):
            functions = [as_text]  # the codec decodes it on first use
        elif isinstance(field, models.DateTimeField):
            quoted[index] = moments.in_utc(connection, quoted[index])
            functions += [] if moments.are_plain(connection) else [moments.read]
        else:
            functions += column.get_db_converters(connection)
        if isinstance(field, models.BinaryField):
            functions.append(as_bytes)
        converters += [(index, function, column) for function in functions]
    return ", ".join(quoted), converters, times


def _is_current(statement: Statement, alias: str) -> bool:
    return _statement(alias, principal=True, server_clock=statement.server_clock) is statement


_BY_NAME: dict[str, Any] = {field.attname: field for field in Session._meta.concrete_fields}
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
        self.add(name, "%s", _BY_NAME[name].get_db_prep_save(value, self.connection))

    def now(self, name: str) -> None:
        """Write the time of the store's clock."""
        self.add(name, *self.clock())

    def clock(self) -> tuple[Any, ...]:
        """Return the SQL of the store's clock and its parameters."""
        if self._now is None:
            return ("statement_timestamp()",)
        return "%s", _BY_NAME["last_seen_at"].get_db_prep_save(self._now, self.connection)

    def expiry(self, lifetime: timedelta | datetime) -> None:
        """Write the end of a lifetime that begins now."""
        if isinstance(lifetime, timedelta) and self._now is None:
            # In seconds: when clocks change, a day in the connection's time zone has 23 or 25 hours.
            seconds = lifetime.total_seconds()
            self.add("expires_at", "statement_timestamp() + make_interval(secs => %s)", seconds)
        else:
            self.value("expires_at", lifetime if self._now is None else _end(lifetime, self._now))

    def key(self, secret: bytes, family: bytes, previous: bytes | None) -> None:
        """Write another secret, and the use of the session now."""
        self.value("secret_hash", secret)
        self.value("family_hash", family)
        self.value("previous_hash", previous)
        self.value("previous_at", None)
        self.now("last_seen_at")
        self.next_version()

    def next_version(self) -> None:
        """Count this write."""
        self.add("version", f"{_quoted(self.connection, 'version')} + 1")

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
    columns.next_version()
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
    return _returning_session(connection, *_update(columns, session_id, secret_hash))


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
    return _is_written(connection, *_update(columns, session_id, secret_hash))


def rotate(
    connection: Any, session_id: int, secret_hash: bytes, new: tuple[bytes, bytes], now: datetime | None
) -> bool:
    """Replace secret and family by ``new`` ones. Returns whether the old secret was valid.

    It is not tried again if the connection was lost: after a first success it would find the old secret
    invalid.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    columns = _Columns(connection, now)
    columns.key(*new, None)
    return _is_written(connection, *_update(columns, session_id, secret_hash), is_repeatable=False)


def renew(
    connection: Any, session_id: int, secret_hash: bytes, new: tuple[bytes, bytes], now: datetime | None
) -> bool:
    """Replace the secret, and keep it as the previous one, also where the same renewal was made before.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    columns = _Columns(connection, now)
    columns.key(*new, secret_hash)
    proof = "(secret_hash = %s OR (previous_hash = %s AND secret_hash = %s AND previous_at IS NULL))"
    hashes = secret_hash, secret_hash, new[0]
    return _is_written(connection, *_update_where(columns, session_id, proof, hashes))


def end(connection: Any, session_id: int, secret_hash: bytes | None = None) -> list[Revoked]:
    """Delete a session, with ``secret_hash`` only if it opens it. Returns what was deleted.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    if secret_hash is None:
        return _delete(connection, "id = %s", [session_id])
    proof = _hash(connection, secret_hash)
    return _delete(connection, f"id = %s AND {_PROOF}", [session_id, proof, proof])


def end_all(connection: Any, user_id: Any, except_: int | None = None) -> list[Revoked]:
    """Delete all sessions of a user except the one with id ``except_``. Returns those that were deleted.

    Raises:
        django.db.Error: as any cursor of Django's does.
    """
    user = _BY_NAME["user_id"].get_db_prep_save(user_id, connection)
    if except_ is None:
        return _delete(connection, "user_id = %s", [user])
    return _delete(connection, "user_id = %s AND id <> %s", [user, except_])


def _delete(connection: Any, where: str, params: list[Any]) -> list[Revoked]:
    """Delete the sessions of this namespace that fulfil a condition."""
    columns = returned(connection, Revoked)
    sql = f"DELETE FROM {_table(connection)} WHERE {where} AND namespace = %s"  # noqa: S608 - placeholders
    params = [*params, namespaces.active()]
    rows = _execute(connection, f"{sql} RETURNING {columns.sql}", params, is_repeatable=False)
    return [record(columns, row, connection, Revoked) for row in rows]


def insert(connection: Any, new: NewSession, now: datetime | None) -> SessionRecord:
    """Store a new session, and return it. It is not tried again if the connection was lost.

    Raises:
        django.db.Error: as any cursor of Django's does; IntegrityError if the id is taken, which leaves a
            transaction as it was.
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
    sql = f"{into} ON CONFLICT (id) DO NOTHING"
    written = _returning_session(connection, sql, columns.params, is_repeatable=False)
    if written is None:
        raise IntegrityError("The id is taken.")
    return written


_PROOF = "(secret_hash = %s OR previous_hash = %s)"


def _update(columns: _Columns, session_id: int, secret_hash: bytes) -> tuple[str, list[Any]]:
    """Return the UPDATE of a session, if the secret opens it, and its parameters."""
    return _update_where(columns, session_id, _PROOF, (secret_hash, secret_hash))


def _update_where(
    columns: _Columns, session_id: int, proof: str, hashes: Sequence[bytes]
) -> tuple[str, list[Any]]:
    connection = columns.connection
    written = ", ".join(
        f"{_quoted(connection, name)} = {sql}" for name, sql in zip(columns.names, columns.sql, strict=True)
    )
    where = f"id = %s AND namespace = %s AND {proof}"
    sql = f"UPDATE {_table(connection)} SET {written} WHERE {where}"  # noqa: S608 - names, and placeholders
    given = [_hash(connection, value) for value in hashes]
    return sql, [*columns.params, session_id, namespaces.active(), *given]


def _returning_session(
    connection: Any, sql: str, params: list[Any], *, is_repeatable: bool = True
) -> SessionRecord | None:
    """Execute a statement, and return the session as it wrote it, or None."""
    columns = returned(connection)
    rows = _execute(connection, f"{sql} RETURNING {columns.sql}", params, is_repeatable=is_repeatable)
    return record(columns, rows[0], connection) if rows else None


def _is_written(connection: Any, sql: str, params: list[Any], *, is_repeatable: bool = True) -> bool:
    """Execute a statement, and return whether it wrote a row."""
    return bool(_execute(connection, f"{sql} RETURNING id", params, is_repeatable=is_repeatable))


def _execute(connection: Any, sql: str, params: list[Any], *, is_repeatable: bool = True) -> Sequence[Any]:
    """Execute a statement; an error marks the transaction, if there is one, as broken."""
    marked = transaction.mark_for_rollback_on_error(using=connection.alias)
    with marked if connection.in_atomic_block else nullcontext():
        return cursors.fetch_all(connection, sql, params, is_repeatable=is_repeatable)


def _hash(connection: Any, value: bytes) -> Any:
    return _BY_NAME["secret_hash"].get_db_prep_save(value, connection)


def _table(connection: Any) -> str:
    return str(connection.ops.quote_name(Session._meta.db_table))


def _quoted(connection: Any, name: str) -> str:
    return str(connection.ops.quote_name(_BY_NAME[name].column))
