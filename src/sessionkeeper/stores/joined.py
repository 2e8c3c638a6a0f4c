"""Session and principal in one statement, built once per process, database and user model.

The ORM's work per query is most of what a stock authenticated request costs. Here the SQL is compiled once,
from the session's columns and from the user model's ``_default_manager`` (its filters, inheritance joins and
converters kept), and then only executed, on Django's own connection, inside its transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router
from django.db.models.query import ModelIterable
from django.utils import timezone

from sessionkeeper.errors import CorruptPayload
from sessionkeeper.models import Session
from sessionkeeper.record import UNASKED, Found, SessionRecord
from sessionkeeper.stores import cursors
from sessionkeeper.stores.converters import as_bytes, as_text, as_time
from sessionkeeper.stores.snapshot import Snapshot

_FIELDS: list[Any] = [
    Session._meta.get_field("user" if name == "user_id" else name) for name in SessionRecord._fields
]
_WIDTH = len(_FIELDS)

#: Position in the row, function, and the expression that Django's converters are given.
Converter = tuple[int, Callable[..., Any], Any]


class Columns(NamedTuple):
    """How a session's columns are selected and read."""

    sql: str
    converters: Sequence[Converter] = ()
    times: Sequence[int] = ()  # positions of times that come as text


class Statement(NamedTuple):
    """A SELECT that takes a session id (twice with a principal) and how to read its one row."""

    sql: str
    params: tuple[Any, ...]
    columns: Columns
    user_model: Any = None
    user_fields: Sequence[str] = ()
    user_pk: int = 0
    user_converters: Sequence[Converter] = ()
    filtered: bool = False
    server_clock: bool = False
    preparable: bool = True  # the session id is all that changes from use to use


def read(alias: str, session_id: int, *, principal: bool, server_clock: bool) -> Found | None:
    """Run the statement on connection ``alias``. Database errors pass through."""
    statement = _statement(alias, principal=principal, server_clock=server_clock)
    connection = connections[alias]
    given = [session_id if param is _ID else param for param in statement.params]
    row = cursors.fetch_one(connection, statement.sql, given, preparable=statement.preparable)
    if row is None:
        return None
    record = to_record(row, statement.columns, connection)
    now = row[_WIDTH] if server_clock else timezone.now()
    if statement.user_model is None:
        return Found(record, aware(now), UNASKED)
    return Found(record, aware(now), *_user(row, statement, connection))


def select_sql(alias: str, where: str) -> tuple[str, Columns]:
    """Return a SELECT of whole records with this condition, and how to read its columns."""
    columns = _session_columns(alias)
    table = connections[alias].ops.quote_name(Session._meta.db_table)
    return f"SELECT {columns.sql} FROM {table} s WHERE {where}", columns  # noqa: S608 - quoted names only


def to_record(row: Sequence[Any], columns: Columns, connection: Any) -> SessionRecord:
    """Return the record in the leading columns of a row.

    Raises:
        CorruptPayload: a column holds what no session keeps there.
    """
    values = list(row[:_WIDTH])
    try:
        for index in columns.times:
            value = values[index]
            if value is not None:
                values[index] = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise CorruptPayload("A time of the stored session cannot be read.") from error
    for index, function, expression in columns.converters:
        values[index] = function(values[index], expression, connection)
    return SessionRecord._make(values)


def aware(value: datetime) -> datetime:
    """Return an aware datetime; naive ones (``USE_TZ = False``) are in the default time zone."""
    return timezone.make_aware(value) if timezone.is_naive(value) else value


_ID = object()
_MOST_STATEMENTS = 256
_statements: dict[Any, Statement] = {}


def _statement(alias: str, *, principal: bool, server_clock: bool) -> Statement:
    model: Any = _user_model(settings.AUTH_USER_MODEL) if principal else None
    if model is not None and router.db_for_write(model) != alias:
        model = None  # users live elsewhere
    shape = None
    if model is not None and type(model._default_manager).get_queryset is not models.Manager.get_queryset:
        # A manager of the project's own may filter by something that changes, a tenant say: what it asks for
        # belongs to the key, so that a statement is never used under other conditions.
        queryset = model._default_manager.get_queryset()
        if _is_plain(queryset):
            shape = _shape(queryset.query)
        else:
            model = None
    cache_key = (alias, server_clock, model, shape)
    try:
        return _statements[cache_key]
    except (KeyError, TypeError):
        if len(_statements) >= _MOST_STATEMENTS:
            _statements.clear()
        statement = _build(alias, model, server_clock=server_clock)
    with suppress(TypeError):  # conditions that cannot be hashed: built again each time, and right
        _statements[cache_key] = statement
    return statement


@lru_cache(maxsize=1)
def _user_model(name: str) -> Any:
    return get_user_model()


def _shape(query: Any) -> tuple[Any, ...]:
    """Return all that tells two plain queries of one model apart: conditions, joins, columns."""
    names, is_deferred = query.deferred_loading
    return query.where, tuple(query.alias_map.values()), frozenset(names), is_deferred


def _build(alias: str, model: Any, *, server_clock: bool) -> Statement:
    connection = connections[alias]
    table = connection.ops.quote_name(Session._meta.db_table)
    columns = _session_columns(alias)
    selected = f"{columns.sql}, {'statement_timestamp()' if server_clock else 'NULL'}"
    user = _user_part(alias, model) if model is not None else None
    if user is None:
        sql = f"SELECT {selected} FROM {table} s WHERE s.id = %s"  # noqa: S608 - quoted names only
        return Statement(sql, (_ID,), columns)
    expressions = [column[0] for column in user.compiler.select]
    return Statement(
        f"SELECT {selected}, {user.columns} FROM {table} s LEFT JOIN {user.join} WHERE s.id = %s",  # noqa: S608
        (*user.params, _ID),
        columns,
        model,
        user.names,
        user.names.index(model._meta.pk.attname),
        [
            (index, function, expression)
            for index, (functions, expression) in user.compiler.get_converters(expressions).items()
            for function in ([as_time] if index in user.times else functions)
        ],
        filtered=bool(model._default_manager.get_queryset().query.where),
        server_clock=server_clock,
        preparable=all(param is _ID for param in user.params),
    )


def _session_columns(alias: str) -> Columns:
    connection = connections[alias]
    quoted = [f"s.{connection.ops.quote_name(field.column)}" for field in _FIELDS]
    converters: list[Converter] = []
    times: list[int] = []
    for index, field in enumerate(_FIELDS):
        if isinstance(field, models.DateTimeField) and _is_text_in_utc(connection):
            quoted[index] = _as_text_in_utc(quoted[index])
            times.append(index)
            continue
        column = field.get_col("s")
        functions = list(connection.ops.get_db_converters(column))
        if isinstance(field, models.JSONField):
            functions = [as_text]  # the codec opens it, when somebody reads it
        else:
            functions += column.get_db_converters(connection)
        if isinstance(field, models.BinaryField):
            functions.append(as_bytes)
        if isinstance(field, models.DateTimeField) and not settings.USE_TZ:
            functions.append(_as_aware)
        converters += [(index, function, column) for function in functions]
    return Columns(", ".join(quoted), converters, times)


def _is_text_in_utc(connection: Any) -> bool:
    return bool(settings.USE_TZ) and connection.vendor == "sqlite" and connection.timezone is UTC


def _as_text_in_utc(column: str) -> str:
    """Select a time as text, past the slower converters of Django and its driver."""
    return f"({column} || '+00:00')"


class _UserPart(NamedTuple):
    """The user's side of the statement."""

    columns: str
    join: str
    params: tuple[Any, ...]
    names: list[str]
    compiler: Any
    times: Collection[int] = ()  # positions of times that come as text


def _user_part(alias: str, model: Any) -> _UserPart | None:
    """Compile the user's side, or return None when the manager does more than filter and join."""
    marker = -(2**62) - 5  # stands for the session id, and is never one
    queryset = model._default_manager.using(alias).order_by()
    if not _is_plain(queryset):
        return None
    ids = Session.objects.using(alias).filter(id=marker).values("user_id")[:1]
    compiler = queryset.filter(pk=models.Subquery(ids)).query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql(with_col_aliases=True)
    except EmptyResultSet:  # a manager that shows nobody
        return None
    fields = [column[0].target for column in compiler.select]
    names = [field.attname for field in fields]
    quote = compiler.connection.ops.quote_name
    if len(compiler.query.alias_map) == 1 and not queryset.query.where and all(map(_is_bare, fields)):
        quoted = [f"u.{quote(field.column)}" for field in fields]
        times = [index for index, field in enumerate(fields) if type(field) is models.DateTimeField]
        if not _is_text_in_utc(compiler.connection):
            times = []
        for index in times:
            quoted[index] = _as_text_in_utc(quoted[index])
        columns = ", ".join(quoted)
        table, pk = quote(model._meta.db_table), quote(model._meta.pk.column)
        return _UserPart(columns, f"{table} u ON u.{pk} = s.user_id", (), names, compiler, times)
    # The user is found by a scalar subquery on the primary key, so that every planner makes two key
    # look-ups of it, whatever joins and filters the manager adds.
    given = tuple(_ID if param == marker else param for param in params)
    return _UserPart("u.*", f"({sql}) u ON 1 = 1", given, names, compiler)


def _is_bare(field: Any) -> bool:
    """Whether a field is selected by nothing but the name of its column."""
    return type(field).select_format is models.Field.select_format


def _is_plain(queryset: Any) -> bool:
    query = queryset.query
    return (
        queryset._iterable_class is ModelIterable
        and not query.select_related
        and not query.annotations
        and not query.extra
        and not query.distinct
        and not query.combinator
        and not query.is_sliced
        and not queryset._prefetch_related_lookups
    )


def _user(row: Sequence[Any], statement: Statement, connection: Any) -> tuple[Any, Snapshot | None]:
    """Return the user in a row, and what others like it are made of."""
    values = list(row[_WIDTH + 1 :])
    if values[statement.user_pk] is None:
        # Behind a filter of the manager, a user who does not appear may exist all the same.
        return (UNASKED if statement.filtered else None), None
    for index, function, expression in statement.user_converters:
        values[index] = function(values[index], expression, connection)
    model, names, alias = statement.user_model, statement.user_fields, connection.alias
    user = model.from_db(alias, names, values)
    return user, Snapshot(model, alias, names, values, partial(_is_current, statement, alias))


def _is_current(statement: Statement, alias: str) -> bool:
    return _statement(alias, principal=True, server_clock=statement.server_clock) is statement


def _as_aware(value: Any, expression: Any, connection: Any) -> Any:
    return None if value is None else aware(value)


def drop_statements(**_: Any) -> None:
    """Forget compiled statements; called when a setting that they were built from changes."""
    _statements.clear()
    _user_model.cache_clear()
