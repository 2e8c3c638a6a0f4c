"""The user of a session that lies outside of the database, and whether its end is recorded: one statement.

As the join of the database store, the statement is compiled once and then only executed. Where the user lives
in another database than the tombstones, or the manager does more than filter and join, Django has to ask.
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
    """How users are asked for: the database, the statement and what its conditions are given.

    ``worked_out`` is for whoever asks: what follows from it, kept for as long as it is current.
    """

    alias: str
    sql: str
    conditions: tuple[Any, ...]
    user: UserColumns
    worked_out: dict[Any, Any] = field(default_factory=dict)

    def is_current(self) -> bool:
        """Whether users are asked for like this now."""
        return asking() is self


class Statement(NamedTuple):
    """A SELECT that takes the ids of a session and of a user."""

    sql: str
    params: tuple[Any, ...]
    user: UserColumns
    asking: UserQuery
    types: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What the database says of a session: whether it has ended, and the user as in ``Lookup``.

    ``keep`` takes a function that keeps what was read, and calls it when that is committed; None: what was
    read may be older than what was committed.
    """

    ended: bool
    principal: Any = None
    snapshot: Snapshot | None = None
    keep: Callable[[Callable[[], None]], None] | None = None


def ask(session_id: int, user_id: Any, *, namespace: str, principal: bool) -> Answer:
    """Ask for a session of a user, with ``principal`` also for the user.

    Raises:
        StoreUnavailable: the database did not answer.
        NoNamespace: it would be asked for the user of another tenant than the session was read for.
    """
    if namespaces.active() != namespace:
        raise NoNamespace("The tenant changed while the session was read: the user would be another one.")
    return shortcut.take(_ask, _ask_plainly, session_id, user_id, principal=principal)


def _ask_plainly(session_id: int, user_id: Any, *, principal: bool) -> Answer:
    return Answer(bool(tombstones.among([session_id])))


def _ask(session_id: int, user_id: Any, *, principal: bool) -> Answer:
    alias = tombstones.database()
    statement = _statement(alias) if principal else None
    if statement is None:
        return Answer(_is_ended(session_id))
    connection = connections[alias]
    given: dict[Any, Any] = {
        _SESSION: tombstones.number_of(session_id),
        _USER: statement.user.model._meta.pk.get_db_prep_value(user_id, connection, prepared=False),
    }
    params = [given[param] if param is _SESSION or param is _USER else param for param in statement.params]
    with translate_errors():
        row = cursors.fetch_one(connection, statement.sql, params, types=statement.types)
    if row is None:
        return Answer(_is_ended(session_id))
    ended, *values = row
    user, snapshot = statement.user.read(connection, values, statement.asking.is_current)
    keep = partial(after_commit, alias) if reads_committed(alias) else None
    return Answer(ended is not None, user, snapshot, keep)


def asking() -> UserQuery | None:
    """Return how users are asked for now; None: by Django."""
    return shortcut.take(_asking, shortcut.unknown)


def _asking() -> UserQuery | None:
    statement = _statement(tombstones.database())
    return None if statement is None else statement.asking


def users_database() -> str:
    """Return the database that users are written to."""
    return router.db_for_write(get_user_model())


def _is_ended(session_id: int) -> bool:
    connection = connections[tombstones.database()]
    with translate_errors():
        sql = _tombstone_sql(connection)
        return (
            cursors.fetch_one(connection, sql, [tombstones.number_of(session_id)], types=("bigint",))
            is not None
        )


def _tombstone_sql(connection: Any) -> str:
    table = connection.ops.quote_name(Tombstone._meta.db_table)
    return f"SELECT t.id FROM {table} t WHERE t.id = %s"  # noqa: S608 - quoted names only


def _statement(alias: str) -> Statement | None:
    asked = user_query.asked(alias)
    if asked is None:
        return None
    kept: Statement | None = user_query.kept(("principal", alias, asked), partial(_build, alias, asked))
    return kept


def _build(alias: str, asked: UserQueryKey) -> Statement | None:
    user = user_query.select(alias, asked.model, RawSQL("%s", [_USER]), "%s", (_USER,))
    if user is None:
        return None
    ended = _tombstone_sql(connections[alias])
    sql = f"SELECT ({ended}), {user.columns} FROM {user.source} WHERE {user.condition}"  # noqa: S608 - as above
    # Where both ids are all that changes from use to use, it may be prepared.
    key = asked.model._meta.pk.rel_db_type(connections[alias])
    types = ("bigint", key) if user.params == (_USER,) else ()
    conditions = tuple(param for param in user.params if param is not _USER)
    return Statement(sql, (_SESSION, *user.params), user, UserQuery(alias, sql, conditions, user), types)
