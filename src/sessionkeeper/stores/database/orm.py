"""Reads sessions by the ORM: for lists, and for a request where the shortcut below it is off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import DurationField, ExpressionWrapper, F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from sessionkeeper.core import moments
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import Lookup, SessionRecord
from sessionkeeper.models import Session
from sessionkeeper.stores.codec import as_bytes, as_text
from sessionkeeper.stores.database.errors import on_live_connection

# The data as text: the codec decodes it on first use.
_COLUMNS: list[Any] = [
    ExpressionWrapper(F(name), output_field=TextField()) if name == "data" else name
    for name in SessionRecord._fields
]
_HASHES = ("secret_hash", "family_hash", "previous_hash")
_TIMES = ("previous_at", "created_at", "authenticated_at", "last_seen_at", "expires_at")
_ALWAYS = ("created_at", "last_seen_at", "expires_at")


def records(sessions: QuerySet[Session]) -> list[SessionRecord]:
    """Return the sessions of a query.

    Raises:
        CorruptPayload: a column holds an invalid value.
    """
    return [record(values) for values in _read(sessions.values_list(*_COLUMNS))]


def find(connection: Any, session_id: int, *, principal: bool, server_clock: bool) -> Lookup | None:
    """Return the session as ``statements.read`` does, but without the user."""
    session = Session._base_manager.using(connection.alias).filter(pk=session_id)
    selected = session.values_list(
        *_COLUMNS, *([Now(output_field=moments.MomentField())] if server_clock else [])
    )
    for values in on_live_connection(connection, _read, selected):
        now = values[len(_COLUMNS)] if server_clock else moments.now()
        return Lookup(record(values[: len(_COLUMNS)]), moments.aware(now))
    return None


def live(rows: QuerySet[Session], now: datetime) -> QuerySet[Session]:
    """Return those of these rows whose timeouts have not passed."""
    return rows.filter(Q(idle_seconds__isnull=True) | _idle_until(rows.db, now, "gt"), expires_at__gt=now)


def expired(rows: QuerySet[Session], now: datetime) -> QuerySet[Session]:
    """Return the other ones."""
    return rows.filter(
        Q(expires_at__lte=now) | Q(idle_seconds__isnull=False) & _idle_until(rows.db, now, "lte")
    )


def _idle_until(alias: str, now: datetime, lookup: str) -> Q:
    """Return the condition that compares the end of the idle timeout with the time."""
    if connections[alias].vendor == "sqlite":
        return Q(**{f"last_seen_at__{lookup}": _before_idle_time(now)})
    compare: Any = {"gt": GreaterThan, "lte": LessThanOrEqual}[lookup]
    return Q(compare(_idle_end(alias), now))


def _before_idle_time(now: datetime) -> Any:
    """Return the time as SQLite's text, the idle timeout earlier, without Django's function in Python."""
    moment = moments.aware(now)
    timeout = Func(F("idle_seconds"), template="(-%(expressions)s) || ' seconds'", output_field=TextField())
    second = Func(
        Value(f"{moment:%Y-%m-%d %H:%M:%S}"), timeout, function="datetime", output_field=TextField()
    )
    fraction = Value(f".{moment.microsecond:06}")
    return Func(
        second,
        fraction,
        template="(%(expressions)s)",
        arg_joiner=" || ",
        output_field=moments.MomentField(),
    )


def _idle_end(alias: str) -> Any:
    # Some databases store durations as microseconds, and MySQL accepts only a product of integers.
    is_native = connections[alias].features.has_native_duration_field
    second = Value(timedelta(seconds=1), DurationField()) if is_native else Value(1_000_000)
    idle_time = ExpressionWrapper(F("idle_seconds") * second, DurationField())
    return ExpressionWrapper(F("last_seen_at") + idle_time, moments.MomentField())


def _read(selected: Any) -> list[Any]:
    try:
        return list(selected)
    except (ValueError, OverflowError) as error:  # raised by Django's converters
        raise CorruptPayload("A column of the stored session cannot be read.") from error


def record(values: Any) -> SessionRecord:
    """Return the session in the values of its columns, in the order of a record's.

    Raises:
        CorruptPayload: a column holds an invalid value.
    """
    columns: dict[str, Any] = dict(zip(SessionRecord._fields, values, strict=True))
    if any(columns[name] is None for name in _ALWAYS):
        raise CorruptPayload("A time of the stored session cannot be read.")
    columns["data"] = as_text(columns["data"])
    columns |= {name: as_bytes(columns[name]) for name in _HASHES}
    times: dict[str, datetime | None] = {name: columns[name] for name in _TIMES}
    columns |= {name: None if at is None else moments.aware(at) for name, at in times.items()}
    return SessionRecord(**columns)
