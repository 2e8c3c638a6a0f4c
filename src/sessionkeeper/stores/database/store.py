"""The database store, for any database that Django's ORM supports.

PostgreSQL and SQLite merge in one statement without a read. On other databases a merge is a compare-and-swap
on ``version``, retried after a read if another writer was faster. PostgreSQL provides the clock. Elsewhere it
is the application's: with MySQL and Oracle, keep the clocks of the web servers synchronized.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import Error, IntegrityError, connections, router, transaction
from django.db.models import Case, DurationField, ExpressionWrapper, F, Func, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Now

from sessionkeeper.conf import namespaces
from sessionkeeper.core import moments
from sessionkeeper.core.errors import IdTaken, SessionGone, StaleSession, StoreUnavailable, TooManySessions
from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.moments import MomentField
from sessionkeeper.core.records import (
    Lookup,
    NewSession,
    Purged,
    Revoked,
    SessionLimit,
    SessionPatch,
    SessionRecord,
)
from sessionkeeper.models import Session
from sessionkeeper.stores.database import orm, references, shortcut, statements, transactions, writes
from sessionkeeper.stores.database.errors import on_live_connection, outage_of, translate_errors
from sessionkeeper.stores.database.references import ENDED

_T = TypeVar("_T")

#: Attempts of a compare-and-swap. Each failure means that another writer succeeded.
MERGE_TRIES = 200
#: The most sessions that one statement ends by their ids.
_AT_ONCE = 500


class DatabaseStore:
    """A :class:`~sessionkeeper.stores.base.Store` in a table of a Django database.

    Args:
        alias: the database; None asks the router for each operation where ``Session`` is written.
        clock: replaces the store's clock, for tests; returns an aware datetime.
    """

    def __init__(self, alias: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self._alias = alias
        self._clock = clock

    @property
    def alias(self) -> str:
        """The database that holds the sessions: the writer, since a replica may lag."""
        return self._alias or router.db_for_write(Session)

    waits_in_loop = False
    patience = 0.0

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        connection, here = connections[self.alias], namespaces.active()
        wanted = {"principal": principal, "server_clock": self._server_clock(connection)}
        try:
            found = (orm.find if shortcut.reasons else statements.read)(connection, session_id, **wanted)
        except Error as error:
            if (outage := outage_of(error)) is None:
                raise
            raise outage from error
        except Exception as error:  # noqa: BLE001 - as shortcut.take() does, for every request
            with translate_errors():
                found = shortcut.fall_back(error, orm.find, connection, session_id, **wanted)
        if found is not None and (found.record.namespace != here or found.record.family_hash == ENDED):
            return None  # the table is shared with other tenants, and with what refers to sessions
        return found._replace(now=self._clock()) if found is not None and self._clock else found

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        if new.limit is None:
            return self._insert(new), []
        with translate_errors(), transactions.alone(self.alias, new.user_id):
            ended = self._end_oldest(new.limit, new.id, new.user_id)
            return self._insert(new), ended

    def _insert(self, new: NewSession) -> SessionRecord:
        connection, tries = connections[self.alias], 0

        def save() -> SessionRecord:
            nonlocal tries
            tries += 1
            if shortcut.take(statements.are_possible, shortcut.unknown, connection):
                return shortcut.take(statements.insert, self._insert_by_orm, connection, new, self._app_now())
            return self._insert_by_orm(connection, new, self._app_now())

        try:
            with translate_errors():
                return on_live_connection(connection, save)
        except IntegrityError as error:
            found = self.find(new.id)
            if found is None:
                raise
            # Otherwise the first attempt has succeeded.
            if tries == 1 or found.record.secret_hash != new.secret_hash:
                raise IdTaken from error
            return found.record

    def _insert_by_orm(self, connection: Any, new: NewSession, app_now: datetime | None) -> SessionRecord:
        row = _row(new, app_now or Now())
        # A collision must not break the current transaction; without one, a single INSERT needs none.
        with transaction.atomic(using=connection.alias) if connection.in_atomic_block else nullcontext():
            Session._base_manager.using(connection.alias).bulk_create([row])  # save() would send signals
        return self._written(new.id) if app_now is None else new.record_at(app_now, row.namespace)

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        if changes.limit is None:
            return self._merge(session_id, secret_hash, changes, seen), []
        user_id = changes.facts.get("user_id")
        with translate_errors(), transactions.alone(self.alias, user_id):
            ended = self._end_oldest(changes.limit, session_id, user_id)
            return self._merge(session_id, secret_hash, changes, seen), ended

    def _end_oldest(self, limit: SessionLimit, session_id: int, user_id: Any) -> list[int]:
        """End the sessions that exceed a limit, oldest first. Only the ids of those are read."""
        others = self._table.filter(user_id=user_id, user_id__isnull=False, transport=limit.transport)
        others = orm.live(others.exclude(pk=session_id), self._server_now())
        latest_first = Coalesce("authenticated_at", "created_at").desc(), "-pk"
        beyond = others.order_by(*latest_first).values_list("pk", flat=True)
        # MySQL reads beyond the snapshot of a transaction only with a lock.
        if connections[self.alias].vendor == "mysql":
            beyond = beyond.select_for_update()
        if not limit.end_oldest:
            if list(beyond[limit.most - 1 : limit.most]):
                raise TooManySessions
            return []
        ended = list(beyond[limit.most - 1 :])[::-1]
        for start in range(0, len(ended), _AT_ONCE):
            self.revoke_many(ended[start : start + _AT_ONCE])
        return ended

    def _merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> SessionRecord:
        def swap(*_: Any) -> SessionRecord | None:
            return self._swap(session_id, secret_hash, changes, seen)

        connection = connections[self.alias]
        given = connection, session_id, secret_hash, changes, self._app_now()
        with translate_errors():
            is_possible = shortcut.take(statements.can_merge, shortcut.unknown, connection, changes)
            written = shortcut.take(statements.merge, swap, *given) if is_possible else swap()
        if written is None:
            raise self._reason(session_id)
        return written

    def _swap(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> SessionRecord:
        """Merge by a read, and a write that fails if another one came in between."""
        now, patch = self._now(), json.loads(changes.patch)
        columns: dict[str, Any] = {**changes.facts, "last_seen_at": now}
        if changes.lifetime is not None:
            columns["expires_at"] = _moment(changes.lifetime, now)
        if changes.authenticated:
            columns["authenticated_at"] = now
        for _ in range(MERGE_TRIES):
            if seen is not None:
                kept = {} if changes.replace else json.loads(seen.data)
                for name in changes.deleted:
                    kept.pop(name, None)
                data = {**kept, **patch}
                columns |= {"data": data, "version": seen.version + 1}
                if self._rows(session_id, secret_hash).filter(version=seen.version).update(**columns):
                    if not isinstance(now, datetime):
                        return self._written(session_id)
                    return seen._replace(**{**columns, "data": json.dumps(data)})
            seen = self._latest(session_id)
            if seen is None:
                raise SessionGone
            if secret_hash not in {seen.secret_hash, seen.previous_hash}:
                raise StaleSession
        raise StoreUnavailable("Too many writers on one session.")

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        def by_orm(*_: Any) -> bool:
            return self._set_key(self._rows(session_id, secret_hash), new_secret, new_family, None)

        given = session_id, secret_hash, (new_secret, new_family), self._app_now()
        if not self._write(statements.rotate, by_orm, *given):
            raise self._reason(session_id)

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes, family: bytes) -> bool:
        def by_orm(*_: Any) -> bool:
            again = Q(secret_hash=new_secret, previous_hash=secret_hash, previous_at=None)
            rows = self._table.filter(Q(secret_hash=secret_hash) | again, pk=session_id)
            return self._set_key(rows, new_secret, family, secret_hash)

        given = session_id, secret_hash, (new_secret, family), self._app_now()
        return self._write(statements.renew, by_orm, *given)

    def _set_key(self, rows: QuerySet[Session], secret: bytes, family: bytes, previous: bytes | None) -> bool:
        return bool(
            rows.update(
                secret_hash=secret,
                family_hash=family,
                previous_hash=previous,
                previous_at=None,
                last_seen_at=self._now(),
                version=F("version") + 1,
            )
        )

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """Moves no indexed column, so that PostgreSQL updates in place (HOT)."""
        now = self._app_now()

        def by_orm(*_: Any) -> bool:
            rows, at = self._rows(session_id, secret_hash), now or Now()
            return bool(rows.update(last_seen_at=at, previous_at=_first_use(secret_hash, at)))

        return self._write(statements.touch, by_orm, session_id, secret_hash, now)

    def _write(self, statement: Callable[..., _T], by_orm: Callable[..., _T], *given: Any) -> _T:
        """Return the result of a statement below the ORM, or of the ORM's where there is none."""
        connection = connections[self.alias]
        with translate_errors():
            if not shortcut.take(statements.are_possible, shortcut.unknown, connection):
                return by_orm()
            return shortcut.take(statement, by_orm, connection, *given)

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        def by_orm(*_: Any) -> list[Revoked]:
            return self._end(self._rows(session_id, secret_hash), pk=session_id)

        ended = (
            by_orm()
            if references.relations()
            else self._write(statements.end, by_orm, session_id, secret_hash)
        )
        return next(iter(ended), None)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        def by_orm(*_: Any) -> list[Revoked]:
            rows = self._table.filter(user_id=user_id, user_id__isnull=False)
            return self._end(rows if except_ is None else rows.exclude(pk=except_), user_id=user_id)

        if references.relations():
            return by_orm()
        return self._write(statements.end_all, by_orm, user_id, except_)

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        return self._end(self._table.filter(pk__in=session_ids), pk__in=session_ids)

    def _end(self, rows: QuerySet[Session], **where: Any) -> list[Revoked]:
        with translate_errors():
            if references.relations():
                return references.end(rows, self._rows_of_all.filter(**where))
            return [Revoked(*row) for row in writes.delete_returning(rows, Revoked._fields)]

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """Walks down the index of user and id."""
        # Without the second condition, None would match the sessions of all visitors.
        sessions = self._table.filter(user_id=user_id, user_id__isnull=False, pk__lte=newest)
        return self._select(sessions.order_by("-pk")[:limit])

    def find_many(self, session_ids: Collection[int]) -> list[SessionRecord]:
        return self._select(self._table.filter(pk__in=session_ids))

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        return self._select(self._table.filter(pk__lte=newest).order_by("-pk")[:limit])

    def purge(self, limit: int, after: int = 0) -> Purged:
        """Walks along the primary key, in one statement that checks the expiry itself."""
        with translate_errors():
            part = self._table.filter(pk__gt=after)
            last = next(iter(part.order_by("pk").values_list("pk", flat=True)[limit - 1 : limit]), None)
            if last is not None:
                part = part.filter(pk__lte=last)
            where = {"pk__gt": after, "pk__lte": MAX_ID if last is None else last}
            if references.relations():
                self._bury(limit, where)
            removed = self._end(orm.expired(part, self._server_now()), **where)
        return Purged(len(removed), sum(one.user_id is not None for one in removed), last)

    def _bury(self, limit: int, where: dict[str, Any]) -> None:
        """Try again to delete what had to stay when its session ended."""
        left = list(self._rows_of_all.filter(family_hash=ENDED, **where).values_list("pk", flat=True))
        for start in range(0, len(left), limit):
            references.bury(left[start : start + limit], self.alias)

    def count(self) -> int:
        with translate_errors():
            return self._table.count()

    @property
    def _rows_of_all(self) -> QuerySet[Session]:
        return namespaces.rows(Session._base_manager.using(self.alias))

    @property
    def _table(self) -> QuerySet[Session]:
        rows = self._rows_of_all
        return rows.exclude(family_hash=ENDED) if references.relations() else rows

    def _rows(self, session_id: int, secret_hash: bytes | None) -> QuerySet[Session]:
        if secret_hash is None:
            return self._table.filter(pk=session_id)
        proven = Q(secret_hash=secret_hash) | Q(previous_hash=secret_hash)
        return self._table.filter(proven, pk=session_id)

    def _select(self, sessions: QuerySet[Session]) -> list[SessionRecord]:
        with translate_errors():
            return orm.records(sessions)

    def _latest(self, session_id: int) -> SessionRecord | None:
        """Read beyond the snapshot of the current transaction, where the database has row locks."""
        sessions = self._rows(session_id, None)
        if connections[self.alias].in_atomic_block:
            sessions = sessions.select_for_update()
        found = self._select(sessions)
        return found[0] if found else None

    def _written(self, session_id: int) -> SessionRecord:
        """Read a session that was just written, where the database does not return it."""
        record = self._latest(session_id)
        if record is None:
            raise SessionGone
        return record

    def _reason(self, session_id: int) -> SessionGone | StaleSession:
        return SessionGone() if self.find(session_id) is None else StaleSession()

    def _server_clock(self, connection: Any) -> bool:
        return self._clock is None and bool(connection.vendor == "postgresql")

    def _now(self) -> Any:
        return self._app_now() or Now()

    def _app_now(self) -> datetime | None:
        """Return the time by the application's clock; None if the database has the clock."""
        if self._server_clock(connections[self.alias]):
            return None
        return self._clock() if self._clock else moments.now()

    def _server_now(self) -> datetime:
        connection = connections[self.alias]
        if (now := self._app_now()) is not None:
            return now
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {moments.in_utc(connection, 'statement_timestamp()')}")
            answer: datetime = cursor.fetchone()[0]
        return answer.replace(tzinfo=UTC)

    def user_changed(self, user_id: Any) -> None:
        """Do nothing: the database store caches no users."""


def _row(new: NewSession, now: Any) -> Session:
    """Return the row of a new session."""
    columns = new.record_at(now, namespaces.active())._asdict()
    columns |= {"data": json.loads(new.data), "expires_at": _moment(new.lifetime, now)}
    return Session(**columns)


def _moment(lifetime: timedelta | datetime, now: Any) -> Any:
    """Return the end of a lifetime that begins ``now``, a datetime or an expression."""
    if isinstance(lifetime, datetime):
        return lifetime
    if isinstance(now, datetime):
        return now + lifetime
    # In seconds: when clocks change, a day in the connection's time zone has 23 or 25 hours.
    seconds = Func(
        Value(lifetime.total_seconds()),
        template="make_interval(secs => %(expressions)s)",
        output_field=DurationField(),
    )
    return ExpressionWrapper(now + seconds, output_field=MomentField())


def _first_use(secret_hash: bytes, now: Any) -> Any:
    """Return when the renewed secret was first used: now, if this is its first use."""
    first = Q(secret_hash=secret_hash, previous_hash__isnull=False, previous_at=None)
    seen = Value(now, MomentField()) if isinstance(now, datetime) else now
    return Case(When(first, then=seen), default=F("previous_at"), output_field=MomentField())
