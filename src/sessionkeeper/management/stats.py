"""``manage.py sessions stats``: counts sessions in one pass, with constant memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sessionkeeper.core.records import BEARER, COOKIE, SessionRecord, is_live
from sessionkeeper.engine import registry

_AGES = (
    ("within an hour", timedelta(hours=1)),
    ("within a day", timedelta(days=1)),
    ("within a week", timedelta(days=7)),
    ("within 30 days", timedelta(days=30)),
)
_LONGER = "longer ago"

HELP = "Count sessions by state, user, transport and last use. Reads all of them, in batches."


def add_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of lines")


def run(options: dict[str, Any], write: Callable[[str], None]) -> None:
    """Count the sessions, and write the counts."""
    counts = count(registry.scan(), registry.now())
    for text in [json.dumps(counts, indent=2)] if options["json"] else lines(counts):
        write(text)


def count(found: Iterable[SessionRecord], now: datetime) -> dict[str, Any]:
    """Return the counts, ready for JSON. All groups except the state count only live sessions."""
    state, who, transport, used = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for record in found:
        if not is_live(record, now):
            state["expired"] += 1
            continue
        state["live"] += 1
        who["anonymous" if record.user_id is None else "signed in"] += 1
        transport[record.transport] += 1
        used[_age(now - record.last_seen_at)] += 1
    return {
        "sessions": state.total(),
        "state": {name: state[name] for name in ("live", "expired")},
        "who": {name: who[name] for name in ("signed in", "anonymous")},
        "transport": {name: transport[name] for name in (COOKIE, BEARER)},
        "last used": {name: used[name] for name in (*(name for name, _ in _AGES), _LONGER)},
    }


def lines(counts: dict[str, Any]) -> Iterator[str]:
    """Yield the counts as lines of text."""
    yield f"{'sessions':<26}{counts['sessions']:>12,}"
    for group, numbers in counts.items():
        for name, number in numbers.items() if isinstance(numbers, dict) else ():
            label = f"{group} {name}" if group == "last used" else name
            yield f"  {label:<24}{number:>12,}"


def _age(age: timedelta) -> str:
    return next((name for name, most in _AGES if age < most), _LONGER)
