"""Many sessions at once, half of them expired, written by the database and not by the engines."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.models import Session as StockSession
from django.db import connection

from benchmarks.growth import rows
from sessionkeeper.models import Session as OurSession


def _model(engine: str) -> Any:
    return OurSession if engine == "sessionkeeper.engine" else StockSession


def fill(engine: str, amount: int) -> None:
    """Add copies of one session; every second one has expired."""
    model = _model(engine)
    end = "expires_at" if model is OurSession else "expire_date"
    where = "g" if model is OurSession else "'large' || g"
    columns = {model._meta.pk.name: where, end: f"CASE WHEN g % 2 = 0 THEN {_long_ago()} ELSE {end} END"}
    rows.copy(model._meta.db_table, model._meta.pk.name, columns, (0, amount))


def _long_ago() -> str:
    is_postgres = connection.vendor == "postgresql"
    return "timestamptz '2020-01-01 00:00:00+00'" if is_postgres else "'2020-01-01 00:00:00'"


def count(engine: str) -> int:
    return int(_model(engine).objects.count())


def empty(engine: str) -> None:
    _model(engine).objects.all()._raw_delete("default")  # noqa: SLF001 - no signals, no reading first
