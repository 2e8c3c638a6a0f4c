"""What the database store writes: values and expressions in the form that the ORM takes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

from sessionkeeper import namespaces
from sessionkeeper.models import Session
from sessionkeeper.record import Changes, NewSession
from sessionkeeper.stores.joined import aware


def row(new: NewSession, now: Any, alias: str) -> Session:
    """Return the row of a new session."""
    times = new.past_at(now)._asdict()
    if new.past is not None:
        times = {
            name: native(value) if isinstance(value, datetime) else value for name, value in times.items()
        }
    return Session(
        id=new.id,
        secret_hash=new.secret_hash,
        family_hash=new.family_hash,
        user_id=new.user_id,
        transport=new.transport,
        data=as_json(new.data, alias),
        expires_at=moment(new.lifetime, now),
        idle_seconds=new.idle_seconds,
        ip_address=new.ip_address,
        user_agent=new.user_agent,
        label=new.label,
        amr=new.amr,
        namespace=namespaces.active(),
        **times,
    )


def native(moment: datetime) -> datetime:
    """Return a datetime as the database layer wants it under the ``USE_TZ`` in force."""
    moment = aware(moment)
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def moment(lifetime: timedelta | datetime, now: Any) -> Any:
    """Return when a lifetime ends that begins ``now``, a datetime or an expression."""
    if isinstance(lifetime, datetime):
        return native(lifetime)
    if isinstance(now, datetime):
        return now + lifetime
    return ExpressionWrapper(now + Value(lifetime), output_field=DateTimeField())


def as_json(text: str, alias: str) -> Any:
    """Hand JSON text to PostgreSQL as it is, without parsing it only to write it again."""
    if connections[alias].vendor == "postgresql":
        return RawSQL("%s::jsonb", [text])
    return json.loads(text)


def merged(changes: Changes) -> Any:
    """Return the data as PostgreSQL merges it, whatever it is by then."""
    return RawSQL("(data - %s::text[]) || %s::jsonb", [list(changes.deleted), changes.patch])


def first_use(secret_hash: bytes, now: Any) -> Any:
    """Return when the renewed secret was first seen: now, if it is this one and nobody came with it yet."""
    first = Q(secret_hash=secret_hash, previous_hash__isnull=False, previous_at=None)
    return Case(When(first, then=now), default=F("previous_at"), output_field=DateTimeField())
