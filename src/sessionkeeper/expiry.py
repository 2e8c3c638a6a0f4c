"""Writes down that sessions have expired: once for each, whether a client or a purge came upon it first."""

from __future__ import annotations

from collections.abc import Collection

from django.db import DatabaseError

from sessionkeeper import audit, bridge, conf
from sessionkeeper.events import ENDS
from sessionkeeper.facts import Client
from sessionkeeper.record import Expired


def note(expired: Collection[Expired]) -> None:
    """Record the end of those in which somebody was signed in. Two statements for all of them."""
    mine = {one.id: one for one in expired if one.user_id is not None}
    told = bridge.elsewhere(_told, mine) if mine else ()
    audit.record_all(
        audit.make(
            audit.Kind.EXPIRED,
            user=one.user_id,
            session_id=one.id,
            client=Client(),  # nobody's request ended it
            ended_at=one.ended_at.isoformat(timespec="seconds"),
        )
        for one in mine.values()
        if one.id not in told
    )


def _told(session_ids: Collection[int]) -> Collection[int]:
    """Return those of whose end the trail knows."""
    if not conf.current().audit:
        return ()
    try:
        ends = audit.rows().filter(session_id__in=session_ids, kind__in=ENDS)
        return {one for one in ends.values_list("session_id", flat=True) if one is not None}
    except DatabaseError:
        audit.log.exception("The audit trail could not be read.")
        return session_ids
