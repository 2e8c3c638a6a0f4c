"""Times: aware and in UTC in our code, and UTC in our tables, whatever ``USE_TZ`` is.

With ``USE_TZ = False`` Django stores local times, which are ambiguous for an hour each year. So our columns
hold UTC. Model instances have the values of Django's fields: naive local times, unambiguous by ``fold``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone


def now() -> datetime:
    """Return the current time, by Django's clock, which tests may replace."""
    return aware(timezone.now())


def aware(value: datetime) -> datetime:
    """Return a time in UTC. A naive one is taken as in the current time zone."""
    return (timezone.make_aware(value) if timezone.is_naive(value) else value).astimezone(UTC)


def native(moment: datetime) -> datetime:
    """Return a time as Django has it with the current ``USE_TZ``."""
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def are_plain(connection: BaseDatabaseWrapper) -> bool:
    """Return whether Django itself reads and writes UTC on this connection."""
    return bool(settings.USE_TZ) and connection.timezone is UTC


def in_utc(connection: BaseDatabaseWrapper, sql: str) -> str:
    """Return the SQL of a time in UTC, even if PostgreSQL would use the connection's time zone."""
    is_local = connection.vendor == "postgresql" and not are_plain(connection)
    return f"({sql} AT TIME ZONE 'UTC')" if is_local else sql


def read(value: datetime | None, expression: Any, connection: Any) -> datetime | None:
    """Return a selected time as UTC, whatever time zone the driver or Django gave it."""
    return None if value is None else value.replace(tzinfo=UTC)


class MomentField(models.DateTimeField):  # type: ignore[type-arg]  # takes no arguments at run time
    """A column of times in UTC. In migrations it is a ``DateTimeField``."""

    def deconstruct(self) -> Any:
        """Return the field as migrations see it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Write UTC."""
        value = value if prepared else self.get_prep_value(value)
        if isinstance(value, datetime) and not are_plain(connection):
            value = aware(value)
            if connection.vendor != "postgresql":  # the only one whose type has a time zone
                value = value.replace(tzinfo=None)
        return super().get_db_prep_value(value, connection, prepared=True)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Select UTC."""
        return in_utc(compiler.connection, sql), params

    def get_db_converters(self, connection: Any) -> list[Any]:
        """Return the converter from UTC to the values of Django's fields."""
        return [] if are_plain(connection) else [_read_native]


def _read_native(value: datetime | None, expression: Any, connection: Any) -> datetime | None:
    moment = read(value, expression, connection)
    return None if moment is None else native(moment)


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time in UTC for JSON, as ``2026-01-31T12:00:00Z``."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
