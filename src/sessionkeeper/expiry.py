"""Writes down that sessions have expired: those that a client came upon, and how many a purge removed."""

from __future__ import annotations

from django.db import DatabaseError

from sessionkeeper import audit, bridge, conf
from sessionkeeper.events import ENDS
from sessionkeeper.facts import Client
from sessionkeeper.record import Expired


def note(expired: Expired) -> None:
    """Record once that a session has ended in which somebody was signed in."""
    if expired.user_id is None or bridge.elsewhere(_is_told, expired.id):
        return
    audit.record(
        audit.Kind.EXPIRED,
        user=expired.user_id,
        session_id=expired.id,
        client=Client(),  # nobody's request ended it
        ended_at=expired.ended_at.isoformat(timespec="seconds"),
    )


def note_purged(number: int) -> None:
    """Record how many sessions in which somebody was signed in a purge has removed: one event for all."""
    if number:
        audit.record(audit.Kind.PURGED, client=Client(), sessions=number)


def _is_told(session_id: int) -> bool:
    """Whether the trail knows of the end of a session."""
    if not conf.current().audit:
        return False
    try:
        return audit.rows().filter(session_id=session_id, kind__in=ENDS).exists()
    except DatabaseError:
        audit.log.exception("The audit trail could not be read.")
        return True
