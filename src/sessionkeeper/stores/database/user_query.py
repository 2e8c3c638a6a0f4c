"""Reads users below the ORM: columns, instances and session auth hashes.

The ORM's work per query is most of what an authenticated request costs in plain Django. So the query of the
user model's ``_default_manager`` is compiled once, with its filters, inheritance joins and converters, and
then only executed. Where the manager does more than that, Django reads the user.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from inspect import getattr_static
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router
from django.db.models import Model, base, query_utils
from django.db.models.fields import related_descriptors
from django.db.models.signals import post_init, pre_init
from django.utils.crypto import salted_hmac

from sessionkeeper.core.keys import Secret
from sessionkeeper.stores import codec
from sessionkeeper.stores.database import shortcut
from sessionkeeper.stores.user_snapshot import Snapshot

#: The position in the row, the function, and the expression that it is called with.
Converter = tuple[int, Callable[..., Any], Any]


class UserQueryKey(NamedTuple):
    """Identifies the query for users: the user model, and the manager's conditions if they may change."""

    model: Any
    shape: Any = None


class UserColumns(NamedTuple):
    """The user's part of a statement: columns, source, condition, and how to convert a row."""

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
        """Return the user in a row's values, and the snapshot; (None, None) where the row has no user."""
        if values[self.pk] is None:
            return None, None
        for index, function, expression in self.converters:
            values[index] = function(values[index], expression, connection)
        return self.make(values), Snapshot(self.make, self.names, values, is_current)


def query_key(alias: str) -> UserQueryKey | None:
    """Return the key of the query for users in database ``alias``; None where Django has to read them."""
    model: Any = _user_model(settings.AUTH_USER_MODEL)
    if model is None or router.db_for_write(model) != alias:
        return None  # our column does not refer to them, or they are elsewhere
    if type(model._default_manager).get_queryset is models.Manager.get_queryset:
        return _plain_key(model)
    # A custom manager may filter by something that changes, such as the tenant. Its conditions are part of
    # the key, so that a statement is never used under other conditions.
    queryset = model._default_manager.get_queryset()
    return UserQueryKey(model, _shape(queryset.query)) if _is_plain(queryset) else None


def select(alias: str, model: Any, key: Any, key_sql: str, key_params: tuple[Any, ...]) -> UserColumns | None:
    """Compile the user whose primary key is ``key``, an expression, which as plain SQL is ``key_sql``.

    Returns None where the manager does more than filter and join, or this SQL is untested on the database.
    """
    if connections[alias].vendor not in _VENDORS:
        return None
    queryset = model._default_manager.using(alias).order_by()
    if not _is_plain(queryset):
        return None
    compiler = queryset.filter(pk=key).query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql(with_col_aliases=True)
    except EmptyResultSet:  # the manager returns no users
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
        # A scalar subquery on the primary key lets every planner use two key lookups, whatever joins and
        # filters the manager adds.
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
    """Return the SQL of one table's fields, and the positions of times that are selected as text."""
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
#: Fields that SQLite's driver has no converter for.
_AS_THEY_ARE = {"AutoField", "BigAutoField", "CharField", "BigIntegerField", "IntegerField", "TextField"}
_MOST_STATEMENTS = 256
_statements: dict[Any, Any] = {}


def cached(key: Any, build: Callable[[], Any]) -> Any:
    """Return the statement with this key, built once per process."""
    try:
        return _statements[key]
    except (KeyError, TypeError):
        if len(_statements) >= _MOST_STATEMENTS:
            _statements.clear()
        statement = build()
    with suppress(TypeError):  # unhashable conditions: built again each time
        _statements[key] = statement
    return statement


def drop_statements(**_: Any) -> None:
    """Drop compiled statements; called when a setting that they depend on changes."""
    shortcut.turn_on()
    _statements.clear()
    _user_model.cache_clear()


def is_text_in_utc(connection: Any) -> bool:
    """Whether the database stores times as text in UTC."""
    return bool(settings.USE_TZ) and connection.vendor == "sqlite" and connection.timezone is UTC


def as_text_in_utc(column: str) -> str:
    """Select a time as text, without the slower converters of Django and its driver."""
    return f"({column} || '+00:00')"


_plain_key = lru_cache(maxsize=8)(UserQueryKey)


def undeclared(connection: Any, column: str) -> str:
    """Select a column without its declared type, so that the driver looks for no converter."""
    return f"+{column}" if connection.vendor == "sqlite" else column


@lru_cache(maxsize=1)
def _user_model(name: str) -> Any:
    return codec.user_model() if codec.fit() else None


def _shape(query: Any) -> tuple[Any, ...]:
    """Return what distinguishes two plain queries of one model: conditions, joins, columns."""
    names, is_deferred = query.deferred_loading
    return query.where, tuple(query.alias_map.values()), frozenset(names), is_deferred


def _is_bare(field: Any) -> bool:
    """Whether a field is selected by the bare name of its column."""
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


# Converters of values, as Django's are, but with less overhead.


def as_time(value: Any, expression: Any = None, connection: Any = None) -> datetime | None:
    """Return the time in a text; None for an invalid one, as Django's converter does."""
    try:
        return None if value is None else datetime.fromisoformat(value)
    except ValueError:
        return None


_HOOKS = ("__new__", "__init__", "__setattr__")


@lru_cache(maxsize=64)
def maker(model: Any, alias: str, names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes an instance from the values of these columns of database ``alias``."""

    def by_django(values: Sequence[Any]) -> Any:
        return model.from_db(alias, names, values)

    if not shortcut.take(_is_its_values, shortcut.unknown, model, names):
        return by_django
    state: dict[str, Any] = {}

    def quickly(values: Sequence[Any]) -> Any:
        if not state:  # what ``_state`` holds in this release of Django
            first = by_django(values)
            state.update(vars(first._state))
            return first
        pre_init.send(model, args=values, kwargs={})
        instance = model.__new__(model)
        held = vars(instance)
        held["_state"] = of_database = base.ModelState()
        vars(of_database).update(state)
        held.update(zip(names, values, strict=True))
        post_init.send(model, instance=instance)
        return instance

    def make(values: Sequence[Any]) -> Any:
        if shortcut.reasons:
            return by_django(values)
        try:
            return quickly(values)
        except Exception as error:  # noqa: BLE001 - as shortcut.take() does, for every request
            return shortcut.fall_back(error, by_django, values)

    return make


def _is_its_values(model: Any, names: Sequence[str]) -> bool:
    """Whether an instance is nothing but its values, and no code of a project takes part in making it."""
    # Descriptors that only store a value in a new instance.
    keepers = (query_utils.DeferredAttribute, related_descriptors.ForeignKeyDeferredAttribute)
    return (
        model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]  # a class method
        and all(getattr_static(model, hook) is getattr_static(Model, hook) for hook in _HOOKS)
        and all(type(getattr_static(model, name)) in keepers for name in names)
    )


# Django's session auth hash: an HMAC of the password's hash, cached by it.


def hash_is_djangos(kind: type) -> bool:
    """Whether a user model uses Django's session auth hash, which depends on the password alone."""
    if shortcut.reasons:
        return False
    try:
        return _hash_is_djangos(kind)
    except Exception as error:  # noqa: BLE001 - as shortcut.take() does, for every request
        return bool(shortcut.fall_back(error, shortcut.unknown))


def _hash_is_djangos(kind: Any) -> bool:
    return (
        getattr(kind, "get_session_auth_hash", None) is AbstractBaseUser.get_session_auth_hash
        and kind._get_session_auth_hash is AbstractBaseUser._get_session_auth_hash  # type: ignore[attr-defined]
        and _is_known_hash(kind)
    )


def session_auth_hash(user: Any) -> str:
    """Return ``user.get_session_auth_hash()``."""
    if hash_is_djangos(type(user)):
        return hash_of_password(user.password, settings.SECRET_KEY)
    return str(user.get_session_auth_hash())


@lru_cache(maxsize=4096)
def hash_of_password(password: str, secret: str) -> str:
    """Return Django's session auth hash for a password's hash, where :func:`hash_is_djangos`."""
    given, password, secret = Secret((password, secret)), "", ""
    key_salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    return salted_hmac(key_salt, given.value[0], secret=given.value[1], algorithm="sha256").hexdigest()


@lru_cache(maxsize=64)
def _is_known_hash(kind: Any) -> bool:
    """Return True where Django computes the same hash; another one would sign out all users.

    Raises:
        RuntimeError: Django computes another hash.
    """
    user, password = kind.__new__(kind), "anything"
    vars(user)["password"] = password
    if hash_of_password(password, settings.SECRET_KEY) != user.get_session_auth_hash():
        raise RuntimeError("This release of Django computes the session auth hash in another way.")
    return True
