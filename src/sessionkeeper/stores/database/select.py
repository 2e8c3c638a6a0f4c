"""Reads a session and its user in one statement, built once per process, database and user model.

The SQL is compiled from the session's columns and ``user_query``, and then only executed, on Django's own
connection and in its transactions. The database store falls back to ``orm`` (see ``shortcut``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import connections, models
from django.utils import timezone

from sessionkeeper.core import moments
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import Lookup, SessionRecord
from sessionkeeper.models import Session
from sessionkeeper.stores.database import cursors, user_query
from sessionkeeper.stores.database.user_query import (
    Converter,
    UserColumns,
    UserQueryKey,
    as_bytes,
    as_text,
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
    row = cursors.fetch_one(connection, statement.sql, given, types=statement.types)
    if row is None:
        return None
    found = record(statement, row, connection)
    now = row[_WIDTH].replace(tzinfo=UTC) if server_clock else timezone.now()
    if now.tzinfo is not UTC:  # Django's clock under USE_TZ = False
        now = moments.aware(now)
    if statement.user is None:
        return Lookup(found, now)
    is_current = partial(_is_current, statement, alias)
    user, snapshot = statement.user.read(connection, list(row[_WIDTH + 1 :]), is_current)
    return Lookup(found, now, user, snapshot)


def record(statement: Statement, row: Sequence[Any], connection: Any) -> SessionRecord:
    """Return the session in the first values of a row.

    Raises:
        CorruptPayload: a time is not valid.
    """
    values = list(row[:_WIDTH])
    try:
        for index in statement.times:
            value = values[index]
            if value is not None:
                values[index] = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise CorruptPayload("A time of the stored session cannot be read.") from error
    for index, function, expression in statement.converters:
        values[index] = function(values[index], expression, connection)
    return SessionRecord._make(values)


def returned(connection: Any) -> Statement:
    """Return the columns of a session for the RETURNING of a statement that writes it."""

    def build() -> Statement:
        table = connection.ops.quote_name(Session._meta.db_table)
        columns, converters, times = _session_columns(connection, table)
        return Statement(columns, (), converters, times)

    statement: Statement = user_query.cached((connection.alias, "returned"), build)
    return statement


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


def _session_columns(connection: Any, table: str = "s") -> tuple[Any, ...]:
    """Return the SQL of the session's columns, their converters, and the times selected as text."""
    quoted = [f"{table}.{connection.ops.quote_name(field.column)}" for field in _FIELDS]
    converters: list[Converter] = []
    times: list[int] = []
    for index, field in enumerate(_FIELDS):
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
