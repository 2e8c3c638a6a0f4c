"""Moments: aware and in UTC where we reckon with them, UTC in our tables, whatever ``USE_TZ`` says.

With ``USE_TZ = False`` Django keeps local times. One night a year repeats an hour of them, another skips one,
and a column of theirs does not say which moment is meant. So ours hold UTC. Models show what Django's do:
naive local times, which say it as long as they are Python's (``fold``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


def now() -> datetime:
    """Return the application's clock, which is Django's: its tests, and other people's, set it."""
    return aware(timezone.now())


def aware(value: datetime) -> datetime:
    """Return a moment in UTC; a naive one is in the default time zone."""
    return (timezone.make_aware(value) if timezone.is_naive(value) else value).astimezone(UTC)


def native(moment: datetime) -> datetime:
    """Return a moment as Django has it under the ``USE_TZ`` in force."""
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def are_plain(connection: Any) -> bool:
    """Whether Django itself reads and writes UTC on this connection."""
    return bool(settings.USE_TZ) and connection.timezone is UTC


def in_utc(connection: Any, sql: str) -> str:
    """Return the SQL of a moment in UTC, where PostgreSQL would give the connection's time zone."""
    is_local = connection.vendor == "postgresql" and not are_plain(connection)
    return f"({sql} AT TIME ZONE 'UTC')" if is_local else sql


def read(value: datetime | None, expression: Any, connection: Any) -> datetime | None:
    """Return what was selected, which is UTC whatever the driver or Django took it for."""
    return None if value is None else value.replace(tzinfo=UTC)


class MomentField(models.DateTimeField):  # type: ignore[type-arg]  # takes no arguments at run time
    """A column of moments. To migrations it is a ``DateTimeField``."""

    def deconstruct(self) -> Any:
        """Return what the column is to the database."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Write UTC."""
        value = value if prepared else self.get_prep_value(value)
        if isinstance(value, datetime) and not are_plain(connection):
            value = aware(value)
            if connection.vendor != "postgresql":  # which alone has a type for moments
                value = value.replace(tzinfo=None)
        return super().get_db_prep_value(value, connection, prepared=True)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Select UTC."""
        return in_utc(compiler.connection, sql), params

    def get_db_converters(self, connection: Any) -> list[Any]:
        """Return what makes of UTC what Django's fields hold."""
        return [] if are_plain(connection) else [_read_native]


def _read_native(value: datetime | None, expression: Any, connection: Any) -> datetime | None:
    moment = read(value, expression, connection)
    return None if moment is None else native(moment)
