"""The user's columns in a statement: compiled once from the user model's manager, then only executed.

The ORM's work per query is most of what a stock authenticated request costs. Filters, inheritance joins and
converters of ``_default_manager`` are kept; where a manager does more than that, nobody is selected and
Django's own way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router

from sessionkeeper.stores import user_keys
from sessionkeeper.stores.database import shortcut
from sessionkeeper.stores.database.hydration import as_time, maker
from sessionkeeper.stores.user_snapshot import Snapshot

#: Position in the row, function, and the expression that Django's converters are given.
Converter = tuple[int, Callable[..., Any], Any]


class UserQueryKey(NamedTuple):
    """For whom a statement asks now: the user model, and what its manager adds if that may change."""

    model: Any
    shape: Any = None


class UserColumns(NamedTuple):
    """The user's side of a statement: what is selected, from what, on which condition, and how it is read."""

    model: Any
    columns: str
    source: str
    condition: str
    params: tuple[Any, ...]
    names: Sequence[str]
    pk: int
    converters: Sequence[Converter]
    make: Callable[[Sequence[Any]], Any]

    def read(
        self, connection: Any, values: list[Any], is_current: Callable[[], bool]
    ) -> tuple[Any, Snapshot | None]:
        """Return the user in a row's values and the snapshot; None twice where the row has no user."""
        if values[self.pk] is None:
            return None, None
        for index, function, expression in self.converters:
            values[index] = function(values[index], expression, connection)
        return self.make(values), Snapshot(self.make, self.names, values, is_current)


def asked(alias: str) -> UserQueryKey | None:
    """Return for whom to ask database ``alias``; None: Django has to."""
    model: Any = _user_model(settings.AUTH_USER_MODEL)
    if model is None or router.db_for_write(model) != alias:
        return None  # our column names none of them, or they live elsewhere
    if type(model._default_manager).get_queryset is models.Manager.get_queryset:
        return _plainly(model)
    # A manager of the project's own may filter by something that changes, a tenant say: what it asks for
    # belongs to the key, so that a statement is never used under other conditions.
    queryset = model._default_manager.get_queryset()
    return UserQueryKey(model, _shape(queryset.query)) if _is_plain(queryset) else None


def select(alias: str, model: Any, key: Any, key_sql: str, key_params: tuple[Any, ...]) -> UserColumns | None:
    """Compile the user whose primary key is ``key``, an expression, which as plain SQL is ``key_sql``.

    None when the manager does more than filter and join, or no test has seen this SQL on such a database.
    """
    if connections[alias].vendor not in _VENDORS:
        return None
    queryset = model._default_manager.using(alias).order_by()
    if not _is_plain(queryset):
        return None
    compiler = queryset.filter(pk=key).query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql(with_col_aliases=True)
    except EmptyResultSet:  # a manager that shows nobody
        return None
    fields = [column[0].target for column in compiler.select]
    names = [field.attname for field in fields]
    quote = compiler.connection.ops.quote_name
    times: Collection[int] = ()
    if len(compiler.query.alias_map) == 1 and not queryset.query.where and all(map(_is_bare, fields)):
        columns, times = _bare(fields, compiler.connection)
        source = f"{quote(model._meta.db_table)} u"
        condition, params = f"u.{quote(model._meta.pk.column)} = {key_sql}", key_params
    else:
        # The user is found by a scalar subquery on the primary key, so that every planner makes two key
        # look-ups of it, whatever joins and filters the manager adds.
        columns, source, condition = "u.*", f"({sql}) u", "1 = 1"
    return UserColumns(
        model,
        columns,
        source,
        condition,
        tuple(params),
        names,
        names.index(model._meta.pk.attname),
        _converters(compiler, times),
        make=maker(model, alias, tuple(names)),
    )


def _bare(fields: Sequence[Any], connection: Any) -> tuple[str, Collection[int]]:
    """Return how fields of one table are selected, and at which positions a time comes as text."""
    quoted, times = [f"u.{connection.ops.quote_name(field.column)}" for field in fields], []
    for index, field in enumerate(fields):
        if type(field) is models.DateTimeField and is_text_in_utc(connection):
            quoted[index] = as_text_in_utc(quoted[index])
            times.append(index)
        elif field.get_internal_type() in _AS_THEY_ARE:
            quoted[index] = undeclared(connection, quoted[index])
    return ", ".join(quoted), times


def _converters(compiler: Any, times: Collection[int]) -> Sequence[Converter]:
    expressions = [column[0] for column in compiler.select]
    return [
        (index, function, expression)
        for index, (functions, expression) in compiler.get_converters(expressions).items()
        for function in ([as_time] if index in times else functions)
    ]


_VENDORS = {"mysql", "postgresql", "sqlite"}
#: Kinds of fields that SQLite's driver has no converter for.
_AS_THEY_ARE = {"AutoField", "BigAutoField", "CharField", "BigIntegerField", "IntegerField", "TextField"}
_MOST_STATEMENTS = 256
_statements: dict[Any, Any] = {}


def kept(key: Any, build: Callable[[], Any]) -> Any:
    """Return the statement of this key, built once per process."""
    try:
        return _statements[key]
    except (KeyError, TypeError):
        if len(_statements) >= _MOST_STATEMENTS:
            _statements.clear()
        statement = build()
    with suppress(TypeError):  # conditions that cannot be hashed: built again each time, and right
        _statements[key] = statement
    return statement


def drop_statements(**_: Any) -> None:
    """Forget compiled statements; called when a setting that they were built from changes."""
    shortcut.turn_on()
    _statements.clear()
    _user_model.cache_clear()


def is_text_in_utc(connection: Any) -> bool:
    """Whether times lie in the database as text in UTC."""
    return bool(settings.USE_TZ) and connection.vendor == "sqlite" and connection.timezone is UTC


def as_text_in_utc(column: str) -> str:
    """Select a time as text, past the slower converters of Django and its driver."""
    return f"({column} || '+00:00')"


_plainly = lru_cache(maxsize=8)(UserQueryKey)


def undeclared(connection: Any, column: str) -> str:
    """Select a column as it is: without a declared type the driver looks for no converter of it."""
    return f"+{column}" if connection.vendor == "sqlite" else column


@lru_cache(maxsize=1)
def _user_model(name: str) -> Any:
    return user_keys.user_model() if user_keys.fit() else None


def _shape(query: Any) -> tuple[Any, ...]:
    """Return all that tells two plain queries of one model apart: conditions, joins, columns."""
    names, is_deferred = query.deferred_loading
    return query.where, tuple(query.alias_map.values()), frozenset(names), is_deferred


def _is_bare(field: Any) -> bool:
    """Whether a field is selected by nothing but the name of its column."""
    return type(field).select_format is models.Field.select_format


def _is_plain(queryset: Any) -> bool:
    query = queryset.query
    return (
        queryset._iterable_class is models.query.ModelIterable
        and not query.select_related
        and not query.annotations
        and not query.extra
        and not query.distinct
        and not query.combinator
        and not query.is_sliced
        and not queryset._prefetch_related_lookups
    )
