"""The audit trail: a row, a log line and a signal for each event.

:func:`record` never raises: if an event cannot be written, the reason is logged. Events contain no secrets:
text that looks like a session key or a bearer token is removed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, router, transaction
from django.utils.crypto import salted_hmac

from sessionkeeper import conf
from sessionkeeper.audit import signals
from sessionkeeper.audit.events import ENDS, Event, Kind
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, moments
from sessionkeeper.core.records import Expired, printable
from sessionkeeper.http import client_info
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores import codec

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from sessionkeeper.models import AuditEvent

trail = logging.getLogger("sessionkeeper.audit")
log = logging.getLogger("sessionkeeper.security")

#: How many events one step of a purge reads.
BATCH = 500
_LONGEST_TEXT = 200
# A key is 40 characters of base64url, a bearer token has more.
_SECRET = re.compile(r"[A-Za-z0-9_-]{40,}")

_LOUD = {Kind.REFUSED, Kind.LOCKED_OUT, Kind.COPY_DETECTED}


def record(kind: Kind, **facts: Any) -> Event:
    """Make an event with :func:`make`, record it and return it. Costs one INSERT, none without ``AUDIT``."""
    event = make(kind, **facts)
    record_all([event])
    return event


def record_once(kind: Kind, *, user: Any, session_id: int, **detail: Any) -> None:
    """Record an event of a session, unless the trail already has one of this kind."""
    if not context.run_in_database_thread(_has, session_id, (kind,)):
        record(kind, user=user, session_id=session_id, **detail)


def _has(session_id: int, kinds: Iterable[Kind]) -> bool:
    """Whether the trail has an event of these kinds; True if it cannot be read, to avoid duplicates."""
    if not conf.current().audit:
        return False
    try:
        return rows().filter(session_id=session_id, kind__in=kinds).exists()
    except DatabaseError:
        log.exception("The audit trail could not be read.")
        return True


def make(
    kind: Kind,
    *,
    user: Any = None,
    session_id: int | None = None,
    actor: Any = None,
    reason: str = "",
    client: ClientInfo | None = None,
    **detail: Any,
) -> Event:
    """Return an event that is not recorded yet.

    Args:
        kind: what happened.
        user: the user concerned, or their primary key.
        session_id: number of the session concerned.
        actor: the user who caused the event, or their primary key.
        reason: one word that says why or how.
        client: address and user agent; by default those of the current request.
        detail: further facts: text, numbers, booleans. Never a secret, and never text that a client may have
            typed by mistake: see :func:`digest`.
    """
    client = client_info.current.get() if client is None else client
    facts = {} if client is None else client.columns()
    return Event(
        kind,
        moments.now(),
        _pk(user),
        session_id,
        _pk(actor),
        _clean(reason)[:40],
        facts.get("ip_address"),
        _clean(facts.get("user_agent", "")),
        {name: _clean(value) for name, value in detail.items()},
    )


def record_all(events: Iterable[Event]) -> None:
    """Record events: one INSERT for all of them, then a log line and a signal each."""
    listed = list(events)
    if listed:
        context.run_in_database_thread(_record_all, listed)


def _record_all(events: list[Event]) -> None:
    _write(events)
    for event in events:
        try:
            level = logging.WARNING if event.kind in _LOUD else logging.INFO
            trail.log(level, "%s", event, extra={"event": event})
            sent = signals.BY_KIND[event.kind].send_robust(sender=Event, event=event)
        except Exception:  # a log handler of the project may raise anything
            log.exception("The audit event %s could not be logged or sent.", event.kind.value)
            continue
        for receiver, error in sent:
            if isinstance(error, Exception):
                log.error("A receiver of %s failed: %r", event.kind.value, receiver, exc_info=error)


def digest(text: str) -> str:
    """Return a keyed digest of a text that must not be recorded, so that events can still be matched.

    A user name that somebody typed is such a text, because it may be a password in the wrong field.
    """
    return salted_hmac("sessionkeeper.audit.digest", text, algorithm="sha256").hexdigest()[:16]


def database() -> str:
    """Return the alias of the trail's database, which is that of the sessions if ``STORE`` names one."""
    return conf.current().store_alias or router.db_for_write(_table())


def _write(events: list[Event]) -> None:
    if not conf.current().audit:
        return
    try:
        alias = database()
        connection = connections[alias]
        if connection.needs_rollback:
            raise transaction.TransactionManagementError("The transaction is broken.")  # noqa: TRY301
        # A failed INSERT must not break the transaction around it.
        with transaction.atomic(using=alias) if connection.in_atomic_block else nullcontext():
            _insert(connection, [_row(event) for event in events])
    except Exception:  # nothing here may prevent users from signing in or out
        kinds = ", ".join(sorted({event.kind.value for event in events}))
        log.exception("%d audit event(s) could not be written: %s.", len(events), kinds)


def _insert(connection: Any, new: list[AuditEvent]) -> None:
    """Insert rows. For one, ``bulk_create`` would begin a transaction and commit it: two more round trips."""
    if len(new) > 1:
        _table()._base_manager.using(connection.alias).bulk_create(new)
        return
    meta, quote = _table()._meta, connection.ops.quote_name
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    names, marks = ", ".join(quote(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES ({marks})"  # noqa: S608 - names only
    with connection.cursor() as cursor:
        cursor.execute(
            sql, [field.get_db_prep_save(getattr(new[0], field.attname), connection) for field in fields]
        )


def _table() -> type[AuditEvent]:
    """Return the model, which cannot be imported before the application registry is ready."""
    from sessionkeeper.models import AuditEvent

    return AuditEvent


def _row(event: Event) -> AuditEvent:
    return _table()(
        at=event.at,
        kind=event.kind.value,
        user_id=codec.held(event.user_id),
        session_id=event.session_id,
        actor_id=codec.held(event.actor_id),
        reason=event.reason,
        ip_address=event.ip_address,
        user_agent=event.user_agent,
        detail=dict(event.detail),
        namespace=namespaces.active(),
    )


def rows() -> QuerySet[AuditEvent]:
    """Return the events of the active namespace."""
    return namespaces.rows(_all_rows())


def _all_rows() -> QuerySet[AuditEvent]:
    return _table()._base_manager.using(database())


def rows_of(user_id: Any) -> QuerySet[AuditEvent]:
    """Return the events about a user; none if the user model's keys do not fit the column."""
    return rows().filter(user=user_id) if codec.fit() else rows().none()


def _clean(value: Any) -> Any:
    """Return a value that may be stored: one line of text without keys, a number, or a boolean."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return _SECRET.sub("[removed]", printable(str(value)))[:_LONGEST_TEXT]


def _pk(user: Any) -> Any:
    return getattr(user, "pk", user)


def note(expired: Expired) -> None:
    """Record once that a signed-in session has expired."""
    if expired.user_id is None or context.run_in_database_thread(_has, expired.id, ENDS):
        return
    record(
        Kind.EXPIRED,
        user=expired.user_id,
        session_id=expired.id,
        client=ClientInfo(),  # no request ended it
        ended_at=expired.ended_at.isoformat(timespec="seconds"),
    )


def note_purged(number: int) -> None:
    """Record, as one event, how many signed-in sessions a purge has removed."""
    if number:
        record(Kind.PURGED, client=ClientInfo(), sessions=number)
