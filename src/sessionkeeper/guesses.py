"""The rows that count failed sign-ins, changed in one statement each, so that parallel tries are all counted.

An account or a known device waits ever longer after its last failure. A source has a number of failures an
hour: ``until`` is when all of them are forgiven (the "generic cell rate algorithm"), so that they come back
one by one and not at the end of a window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest

from sessionkeeper import audit, conf, namespaces, policy

if TYPE_CHECKING:
    from sessionkeeper.models import LoginAttempt

ACCOUNT, DEVICE, SOURCE = "account", "device", "source"
#: Rows that one step of a purge looks at.
BATCH = 500
_HOUR = 3_600_000
_FOREVER = 10 * 365 * 24 * _HOUR
_LONGEST_WAIT = 86_400
_FORGOTTEN_AFTER = 30 * 24 * _HOUR


def make(missing: Iterable[tuple[str, str]], source: str, now: int) -> None:
    """Make rows that count nothing yet; whoever else makes them meanwhile may be first."""
    new = [
        table()(
            key=key, kind=kind, at=now, source=source if kind == SOURCE else "", namespace=namespaces.active()
        )
        for key, kind in missing
    ]
    rows().bulk_create(new, ignore_conflicts=True)


def take(key: str, kind: str, now: int) -> bool:
    """Count one try in one statement; False where the row has none left."""
    step, burst = _pace()
    if kind == SOURCE:
        free = rows().filter(pk=key, until__lte=now + burst)
        return bool(free.update(failures=F("failures") + 1, until=Greatest(F("until"), now) + step, at=now))
    free = rows().filter(pk=key, until__lte=now)
    # In this order: MySQL and MariaDB let an assignment see those before it.
    return bool(free.update(until=_until(now), failures=F("failures") + 1, at=now))


def _until(now: int) -> Case:
    """Return until when a row waits whose failures are about to be one more."""
    settings = conf.current()
    steps, failures, before = [], settings.lockout_tries, timedelta(0)
    while failures <= policy.MOST_FAILURES:
        delay = policy.delay(
            failures, settings.lockout_tries, settings.lockout_delay, settings.lockout_longest_delay
        )
        if delay != before:
            ends = now + (_FOREVER if delay is None else int(delay.total_seconds() * 1000))
            steps.append(When(failures__gte=failures - 1, then=Value(ends)))
        if delay is None:
            break
        failures, before = failures + 1, delay
    return Case(*reversed(steps), default=Value(0))


def _pace() -> tuple[int, int]:
    """Return what one failure costs a source, in milliseconds, and what it has left when it is rested."""
    tries = conf.current().source_tries
    return math.ceil(_HOUR / tries), _HOUR - math.ceil(_HOUR / tries)


def wait(until: int, kind: str, now: int) -> int:
    """Return the seconds until a row has a try again; 0 when it has one."""
    free_at = until - _pace()[1] if kind == SOURCE else until
    return min(max(math.ceil((free_at - now) / 1000), 0), _LONGEST_WAIT)


def give_back(key: str, kind: str) -> None:
    """Uncount one try."""
    until = F("until") - _pace()[0] if kind == SOURCE else Value(0)
    rows().filter(pk=key, failures__gt=0).update(failures=F("failures") - 1, until=until)


def forget(*keys: str) -> int:
    """Let these rows begin anew; return how many had counted anything."""
    return rows().filter(pk__in=keys, failures__gt=0).update(failures=0, until=0)


def purge(batch: int = BATCH) -> Iterator[int]:
    """Remove counts that have no effect any more, batch by batch; yield how many each removed.

    A source is forgotten when all its failures are forgiven, an account after 30 days without a failure.
    """
    after, every, moment = "", rows(), now()
    dead = Q(kind=SOURCE, until__lte=moment) | Q(failures=0, at__lte=moment - _HOUR)
    dead |= Q(until__lte=moment, at__lte=moment - _FORGOTTEN_AFTER) & ~Q(kind=SOURCE)
    while keys := list(every.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:batch]):
        after = keys[-1]
        yield every.filter(dead, pk__in=keys)._raw_delete(every.db) or 0  # noqa: SLF001 - one statement


def watch() -> Callable[[], bool]:
    """Return what tells whether the writes until now are kept, as far as one can tell so far."""
    connection = connections[audit.database()]
    if not connection.in_atomic_block:
        return lambda: True
    committed: list[bool] = []

    def note() -> None:
        committed.append(True)

    connection.on_commit(note)
    return lambda: bool(committed) or any(entry[1] is note for entry in connection.run_on_commit)


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def table() -> type[LoginAttempt]:
    """Return the model, which can only be imported once the application registry is ready."""
    from sessionkeeper.models import LoginAttempt

    return LoginAttempt


def rows() -> QuerySet[LoginAttempt]:
    """All rows, where they are written."""
    return table()._base_manager.using(audit.database())
