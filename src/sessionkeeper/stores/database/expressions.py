"""What the database store writes: values and expressions in the form that the ORM takes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import Case, DurationField, ExpressionWrapper, F, Func, Q, Value, When
from django.db.models.expressions import RawSQL

from sessionkeeper.conf import namespaces
from sessionkeeper.core.moments import MomentField
from sessionkeeper.core.records import NewSession, SessionPatch
from sessionkeeper.models import Session


def row(new: NewSession, now: Any, alias: str) -> Session:
    """Return the row of a new session."""
    columns = new.record_at(now, namespaces.active())._asdict()
    columns |= {"data": as_json(new.data, alias), "expires_at": moment(new.lifetime, now)}
    return Session(**columns)


def moment(lifetime: timedelta | datetime, now: Any) -> Any:
    """Return when a lifetime ends that begins ``now``, a datetime or an expression."""
    if isinstance(lifetime, datetime):
        return lifetime
    if isinstance(now, datetime):
        return now + lifetime
    # In seconds: where clocks change, a day of the connection's time zone has 23 or 25 hours.
    seconds = Func(
        Value(lifetime.total_seconds()),
        template="make_interval(secs => %(expressions)s)",
        output_field=DurationField(),
    )
    return ExpressionWrapper(now + seconds, output_field=MomentField())


def as_json(text: str, alias: str) -> Any:
    """Hand JSON text to PostgreSQL as it is, without parsing it only to write it again."""
    if connections[alias].vendor == "postgresql":
        return RawSQL("%s::jsonb", [text])
    return json.loads(text)


def merged(changes: SessionPatch) -> Any:
    """Return the data as PostgreSQL merges it, whatever it is by then."""
    return RawSQL("(data - %s::text[]) || %s::jsonb", [list(changes.deleted), changes.patch])


def first_use(secret_hash: bytes, now: Any) -> Any:
    """Return when the renewed secret was first seen: now, if it is this one and nobody came with it yet."""
    first = Q(secret_hash=secret_hash, previous_hash__isnull=False, previous_at=None)
    seen = Value(now, MomentField()) if isinstance(now, datetime) else now
    return Case(When(first, then=seen), default=F("previous_at"), output_field=MomentField())
