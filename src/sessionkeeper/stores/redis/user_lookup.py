"""The user of a session in Valkey or Redis, and whether the session has a tombstone: one SQL statement.

Like the join of the database store, the statement is compiled once and then only executed. Where users are in
another database than the tombstones, or their manager does more than filter and join, Django reads the user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models.expressions import RawSQL

from sessionkeeper.conf import namespaces
from sessionkeeper.core.errors import NoNamespace
from sessionkeeper.models import Tombstone
from sessionkeeper.stores.database import cursors, shortcut, user_query
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.transactions import after_commit, reads_committed
from sessionkeeper.stores.database.user_query import UserColumns, UserQueryKey
from sessionkeeper.stores.redis import tombstones
from sessionkeeper.stores.user_snapshot import Snapshot

_SESSION, _USER = object(), object()


@dataclass(frozen=True, slots=True, eq=False)
class UserQuery:
    """A SELECT that takes the ids of a session and of a user.

    ``conditions`` are its other parameters, and ``derived`` caches values that depend on the query alone.
    """

    alias: str
    sql: str
    params: tuple[Any, ...]
    conditions: tuple[Any, ...]
    user: UserColumns
    types: tuple[str, ...] = ()
    derived: dict[Any, Any] = field(default_factory=dict)

    def is_current(self) -> bool:
        """Whether this is the query that would read users now."""
        return current_query() is self


class Answer(NamedTuple):
    """Whether a session has ended, and its user as in ``Lookup``.

    ``after_commit`` calls a function once what was read is committed; None: the read may be stale.
    """

    ended: bool
    principal: Any = None
    snapshot: Snapshot | None = None
    after_commit: Callable[[Callable[[], None]], None] | None = None


def ask(session_id: int, user_id: Any, *, namespace: str, principal: bool) -> Answer:
    """Read whether a user's session has a tombstone, and with ``principal`` also the user.

    Raises:
        StoreUnavailable: the database did not answer.
        NoNamespace: the active tenant is not the one for which the session was read.
    """
    if namespaces.active() != namespace:
        raise NoNamespace("The tenant changed while the session was read, so the user would be another one.")
    return shortcut.take(_ask, _ask_plainly, session_id, user_id, principal=principal)


def _ask_plainly(session_id: int, user_id: Any, *, principal: bool) -> Answer:
    return Answer(bool(tombstones.among([session_id])))


def _ask(session_id: int, user_id: Any, *, principal: bool) -> Answer:
    alias = tombstones.database()
    query = _query(alias) if principal else None
    if query is None:
        return Answer(_is_ended(session_id))
    connection = connections[alias]
    given: dict[Any, Any] = {
        _SESSION: tombstones.number_of(session_id),
        _USER: query.user.model._meta.pk.get_db_prep_value(user_id, connection, prepared=False),
    }
    params = [given[param] if param is _SESSION or param is _USER else param for param in query.params]
    with translate_errors():
        rows = cursors.fetch_all(connection, query.sql, params, types=query.types)
    if not rows:
        return Answer(_is_ended(session_id))
    ended, *values = rows[0]
    user, snapshot = query.user.read(connection, values, query.is_current)
    commits = partial(after_commit, alias) if reads_committed(alias) else None
    return Answer(ended is not None, user, snapshot, commits)


def current_query() -> UserQuery | None:
    """Return the query that reads users now; None where Django reads them."""
    return shortcut.take(_query, shortcut.unknown, tombstones.database())


def users_database() -> str:
    """Return the database that users are written to."""
    return router.db_for_write(get_user_model())


def _is_ended(session_id: int) -> bool:
    connection, number = connections[tombstones.database()], tombstones.number_of(session_id)
    with translate_errors():
        return bool(cursors.fetch_all(connection, _tombstone_sql(connection), [number], types=("bigint",)))


def _tombstone_sql(connection: Any) -> str:
    table = connection.ops.quote_name(Tombstone._meta.db_table)
    return f"SELECT t.id FROM {table} t WHERE t.id = %s"  # noqa: S608 - quoted names only


def _query(alias: str) -> UserQuery | None:
    key = user_query.query_key(alias)
    if key is None:
        return None
    build = partial(_build, alias, key)
    query: UserQuery | None = user_query.cached(("principal", alias, key), build)
    return query


def _build(alias: str, key: UserQueryKey) -> UserQuery | None:
    user = user_query.select(alias, key.model, RawSQL("%s", [_USER]), "%s", (_USER,))
    if user is None:
        return None
    ended = _tombstone_sql(connections[alias])
    sql = f"SELECT ({ended}), {user.columns} FROM {user.source} WHERE {user.condition}"  # noqa: S608 - as above
    # The statement may be prepared where the two ids are its only parameters.
    user_id = key.model._meta.pk.rel_db_type(connections[alias])
    types = ("bigint", user_id) if user.params == (_USER,) else ()
    conditions = tuple(param for param in user.params if param is not _USER)
    return UserQuery(alias, sql, (_SESSION, *user.params), conditions, user, types)
