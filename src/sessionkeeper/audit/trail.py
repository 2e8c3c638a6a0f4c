"""What happened to sessions and accounts: a row, a log line and a signal for each event.

:func:`record` never raises and never undoes what it records: an event that cannot be written is logged with
the reason. No secret gets into an event: text that looks like a session key or a bearer token is taken out.
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
from sessionkeeper.audit import events, signals
from sessionkeeper.audit.events import ENDS, Event, Kind
from sessionkeeper.conf import namespaces
from sessionkeeper.core import client_info, greenlets, moments
from sessionkeeper.core.client_info import ClientInfo
from sessionkeeper.core.records import Expired
from sessionkeeper.stores import user_keys

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from sessionkeeper.models import AuditEvent

trail = logging.getLogger("sessionkeeper.audit")
log = logging.getLogger("sessionkeeper.security")

#: Events that one step of a purge takes.
BATCH = 500
_LONGEST_TEXT = 200
# A key is 40 characters of base64url, a bearer token has more.
_SECRET = re.compile(r"[A-Za-z0-9_-]{40,}")

_SIGNALS = {
    Kind.SIGN_IN: signals.signed_in,
    Kind.ADOPTED: signals.session_adopted,
    Kind.SIGN_OUT: signals.signed_out,
    Kind.REFUSED: signals.sign_in_refused,
    Kind.SECOND_FACTOR_REQUIRED: signals.second_factor_required,
    Kind.LOCKED_OUT: signals.locked_out,
    Kind.UNLOCKED: signals.unlocked,
    Kind.TOKEN_MADE: signals.token_made,
    Kind.STEP_UP: signals.stepped_up,
    Kind.ROTATED: signals.session_rotated,
    Kind.RENEWED: signals.session_renewed,
    Kind.EXPIRED: signals.session_expired,
    Kind.PURGED: signals.sessions_purged,
    Kind.ERASED: signals.user_erased,
    Kind.RESTORED: signals.session_restored,
    Kind.REVOKED: signals.session_revoked,
    Kind.COPY_DETECTED: signals.copy_detected,
    Kind.SEVERAL_COOKIES: signals.several_cookies,
    Kind.ADDRESS_CHANGED: signals.address_changed,
    Kind.USER_AGENT_CHANGED: signals.user_agent_changed,
    Kind.PASSWORD_CHANGED: signals.password_changed,
    Kind.PASSWORD_RESET_REQUESTED: signals.password_reset_requested,
    Kind.PASSWORD_RESET: signals.password_reset,
}
_LOUD = {Kind.REFUSED, Kind.LOCKED_OUT, Kind.COPY_DETECTED}


def record(kind: Kind, **facts: Any) -> Event:
    """Make an event as :func:`make` does, and record it. Costs one INSERT, or none with ``AUDIT`` off."""
    event = make(kind, **facts)
    record_all([event])
    return event


def record_once(kind: Kind, *, user: Any, session_id: int, **detail: Any) -> None:
    """Record an event of a session, unless the trail has one of its kind already."""
    greenlets.run_in_database_thread(_record_once, kind, user, session_id, detail)


def _record_once(kind: Kind, user: Any, session_id: int, detail: dict[str, Any]) -> None:
    if conf.current().audit:
        try:
            if rows().filter(session_id=session_id, kind=kind.value).exists():
                return
        except DatabaseError:
            log.exception("The audit trail could not be read.")
            return
    record(kind, user=user, session_id=session_id, **detail)


def make(
    kind: Kind,
    *,
    user: Any = None,
    session_id: int | None = None,
    actor: Any = None,
    reason: str = "",
    client: Any = None,
    **detail: Any,
) -> Event:
    """Return an event that is not recorded yet.

    Args:
        kind: what happened.
        user: whom it is about, a user or a primary key.
        session_id: number of the session that it is about.
        actor: who did it, a user or a primary key.
        reason: why or by what means, one word.
        client: address and user agent; by default those of the request under way.
        detail: further facts; text, numbers, booleans. Never a secret, and never what a client may have typed
            by mistake: see :func:`digest`.
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
        greenlets.run_in_database_thread(_record_all, listed)


def _record_all(events: list[Event]) -> None:
    _write(events)
    for event in events:
        try:
            level = logging.WARNING if event.kind in _LOUD else logging.INFO
            trail.log(level, "%s", event, extra={"event": event})
            sent = _SIGNALS[event.kind].send_robust(sender=Event, event=event)
        except Exception:  # a handler of logs is the project's own
            log.exception("The audit event %s could not be told.", event.kind.value)
            continue
        for receiver, error in sent:
            if isinstance(error, Exception):
                log.error("A receiver of %s failed: %r", event.kind.value, receiver, exc_info=error)


def digest(text: str) -> str:
    """Return a keyed digest of what must not be written down, so that events can be told to belong together.

    What was typed as a name is such: it may be a password in the wrong field.
    """
    return salted_hmac("sessionkeeper.audit.digest", text, algorithm="sha256").hexdigest()[:16]


def database() -> str:
    """Return the alias of the database that has the trail: that of the sessions, where it has a name."""
    kind, _, alias = conf.current().store.partition(":")
    return alias if kind == "database" and alias else router.db_for_write(_table())


def _write(events: list[Event]) -> None:
    if not events or not conf.current().audit:
        return
    try:
        alias = database()
        connection = connections[alias]
        if connection.needs_rollback:
            raise transaction.TransactionManagementError("the transaction is broken")  # noqa: TRY301
        # A failed INSERT must not break the transaction that it is in.
        with transaction.atomic(using=alias) if connection.in_atomic_block else nullcontext():
            _table()._base_manager.using(alias).bulk_create([_row(event) for event in events])
    except Exception:  # whatever it is, nobody may be kept from signing in or out by it
        kinds = ", ".join(sorted({event.kind.value for event in events}))
        log.exception("%d audit event(s) could not be written: %s.", len(events), kinds)


def _table() -> type[AuditEvent]:
    """Return the model, which can only be imported once the application registry is ready."""
    from sessionkeeper.models import AuditEvent

    return AuditEvent


def _row(event: Event) -> AuditEvent:
    return _table()(
        at=event.at,
        kind=event.kind.value,
        user_id=user_keys.held(event.user_id),
        session_id=event.session_id,
        actor_id=user_keys.held(event.actor_id),
        reason=event.reason,
        ip_address=event.ip_address,
        user_agent=event.user_agent,
        detail=dict(event.detail),
        namespace=namespaces.active(),
    )


def rows() -> QuerySet[AuditEvent]:
    """The rows of the active namespace, where they are written."""
    return namespaces.rows(_all_rows())


def _all_rows() -> QuerySet[AuditEvent]:
    return _table()._base_manager.using(database())


def rows_of(user_id: Any) -> QuerySet[AuditEvent]:
    """The rows about a user, or none where the key is none of a user's."""
    return rows().filter(user=user_id) if user_keys.fit() else rows().none()


def _clean(value: Any) -> Any:
    """Return a value that is fit to be kept: one line of text without keys, a number, or a boolean."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return _SECRET.sub("[removed]", text)[:_LONGEST_TEXT]


def _pk(user: Any) -> Any:
    return getattr(user, "pk", user)


def note(expired: Expired) -> None:
    """Record once that a session has ended in which somebody was signed in."""
    if expired.user_id is None or greenlets.run_in_database_thread(_is_told, expired.id):
        return
    record(
        events.Kind.EXPIRED,
        user=expired.user_id,
        session_id=expired.id,
        client=ClientInfo(),  # nobody's request ended it
        ended_at=expired.ended_at.isoformat(timespec="seconds"),
    )


def note_purged(number: int) -> None:
    """Record how many sessions in which somebody was signed in a purge has removed: one event for all."""
    if number:
        record(events.Kind.PURGED, client=ClientInfo(), sessions=number)


def _is_told(session_id: int) -> bool:
    """Whether the trail knows of the end of a session."""
    if not conf.current().audit:
        return False
    try:
        return rows().filter(session_id=session_id, kind__in=ENDS).exists()
    except DatabaseError:
        log.exception("The audit trail could not be read.")
        return True
