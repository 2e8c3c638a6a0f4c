"""Many sessions at once, half of them expired, written without the engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session as StockSession
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.models import Session as OurSession

_CHUNK = 5000


def _model(engine: str) -> Any:
    return OurSession if engine == "sessionkeeper.engine" else StockSession


def fill(engine: str, rows: int) -> None:
    model, now = _model(engine), timezone.now()
    for start in range(0, rows, _CHUNK):
        model.objects.bulk_create(
            [_row(model, now, expired=bool(number % 2)) for number in range(start, min(start + _CHUNK, rows))]
        )


def _row(model: Any, now: Any, *, expired: bool) -> Any:
    end = now + timedelta(days=-1 if expired else 1)
    key = keys.mint()
    if model is StockSession:
        return StockSession(session_key=key.text[8:], session_data="x" * 200, expire_date=end)
    return OurSession(
        id=key.id,
        secret_hash=key.secret_hash,
        family_hash=key.family_hash,
        data={"_auth_user_id": "1", "more": "x" * 100},
        created_at=now,
        last_seen_at=now,
        expires_at=end,
        idle_seconds=1209600,
    )


def count(engine: str) -> int:
    return int(_model(engine).objects.count())


def empty(engine: str) -> None:
    _model(engine).objects.all()._raw_delete("default")  # noqa: SLF001 - no signals, no reading first
