"""Counts attempts in rows of the database, so that parallel attempts are all counted; knows devices again.

An account, a name or a known device has to wait longer after each failure. A source may have a number of
failures per hour: ``until`` is when all of them have expired (the "generic cell rate algorithm"), so that
they expire one by one, not at the end of a window. So do those of a name where a success proves nothing of
earlier failures, and the password resets of an address, whose ``until`` is when the next one expires.

A known device is a browser on which a user has signed in before, recognised by a signed cookie, which signs
nobody in. It has its own count of attempts, so that it can sign in while an attacker has locked the account
for unknown devices. It also tells sign-ins on new devices from others.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from django.conf import settings
from django.core import signing
from django.db import OperationalError, connections
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessionkeeper import conf
from sessionkeeper.audit import trail
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, records
from sessionkeeper.core.keys import Secret
from sessionkeeper.http import transports
from sessionkeeper.stores.database.writes import delete

if TYPE_CHECKING:
    from sessionkeeper.models import LoginAttempt


ACCOUNT, NAME, DEVICE, RATE, SOURCE, RESET = "account", "name", "device", "rate", "source", "reset"
#: Kinds of rows whose failures expire one by one.
PACED = (RATE, SOURCE)
#: More failures than a row can have counted.
ALL = 1 << 30
#: Rows that one step of a purge reads.
BATCH = 500
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_FOREVER = 10 * 365 * _DAY
_LONGEST_WAIT = 86_400
_FORGOTTEN_AFTER = 30 * _DAY
#: How often a change is repeated after a deadlock.
_TRIES = 3
_POSTGRESQL_DEADLOCK, _MYSQL_DEADLOCK = "40P01", 1213
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Counted(NamedTuple):
    """What the rows had counted before an attempt, and the seconds to wait if it is refused."""

    before: Mapping[str, int] = MappingProxyType({})
    wait: int = 0


def consume(counts: Sequence[tuple[str, str]], source: str, now: int, spared: Sequence[str] = ()) -> Counted:
    """Count an attempt in each of these rows, given by key and kind.

    Counts in none of them if one has no attempt left. Creates rows that are missing; ``source`` is the
    network for the row of that kind. The rows of the keys in ``spared`` are only read. Locks rows in the
    order of their keys, so that parallel attempts cannot deadlock.
    """
    counts = sorted(counts)
    if _returns_what_it_counts():
        before = _again(_consume_at_once, counts, source, now, spared)
        counted = [key for key, _ in counts if key in before]
        if not counted:  # one statement, which wrote nothing
            return Counted(wait=_longest_wait(counts, now) or 1)
    else:
        found = {row.key: row for row in counts_of([*(key for key, _ in counts), *spared])}
        before = {key: row.failures for key, row in found.items()}
        waits = [wait(found[key].until, kind, now) for key, kind in counts if key in found]
        if any(waits):
            return Counted(before, max(waits))
        if any(key not in found for key, _ in counts):
            _make(counts, source, now)
        counted = _consume_in_turn(counts, now)
    if len(counted) == len(counts):
        return Counted(before)
    give_back(dict.fromkeys(counted, 1))
    return Counted(before, wait=1)  # a parallel attempt took the last one


def _longest_wait(counts: Sequence[tuple[str, str]], now: int) -> int:
    kinds = dict(counts)
    return max((wait(row.until, row.kind, now) for row in counts_of(kinds)), default=0)


def consume_reset(key: str, tries: int, seconds: int) -> int:
    """Count one of ``tries`` resets in these seconds; return 0, or the seconds to wait if none is left."""
    moment, step = now(), math.ceil(1000 * seconds / tries)
    _make([(key, RESET)], "", moment)
    until = Greatest(F("until"), moment - 1000 * seconds + step) + step
    free = rows().filter(pk=key, until__lte=moment)
    if _again(free.update, until=until, failures=F("failures") + 1, at=moment):
        return 0
    return wait(rows().values_list("until", flat=True).get(pk=key), RESET, moment) or 1


def _returns_what_it_counts() -> bool:
    """Return whether the database supports INSERT … ON CONFLICT … WHERE … RETURNING."""
    features = connections[trail.database()].features
    return bool(features.supports_update_conflicts_with_target and features.can_return_rows_from_bulk_insert)


def _consume_at_once(
    counts: Sequence[tuple[str, str]], source: str, now: int, spared: Sequence[str]
) -> dict[str, int]:
    """Create and count the rows in one statement, which writes nothing if one has no attempt left.

    Returns what those that were counted, and those that are only read, had counted before. A parallel attempt
    can still take the last one of a row.
    """
    connection, steps, here = connections[trail.database()], _steps(now), namespaces.active()
    paces = {kind: _pace(kind) for kind in PACED}
    first = next((ends for failures, ends in reversed(steps) if failures == 0), 0)
    new = [
        value
        for key, kind in counts
        for value in (
            key,
            kind,
            now + paces[kind][0] if kind in paces else first,
            now,
            source if kind == SOURCE else "",
            here,
        )
    ]
    later = [value for one in reversed(steps) for value in one]
    pace = [value for kind, (step, _) in paces.items() for value in (kind, step)]
    burst = [value for kind, (_, most) in paces.items() for value in (kind, most)]
    keys = [key for key, _ in counts]
    with connection.cursor() as cursor:
        sql = _counting(connection, len(counts), len(spared), len(steps))
        cursor.execute(sql, [*new, *keys, now, *burst, *pace, *later, *burst, *spared])
        written = cursor.fetchall()
    others = dict(zip(spared, written[0][2:], strict=True)) if written else {}
    before = {key: failures or 0 for key, failures in others.items()}
    return before | {row[0]: row[1] - 1 for row in written}


def _counting(connection: Any, counts: int, spared: int, steps: int) -> str:
    """Return the statement of :func:`_consume_at_once` for so many rows, rows that are read, and waits."""
    t = connection.ops.quote_name(table()._meta.db_table)
    paced = (
        f"WHEN {t}.kind = %s THEN CASE WHEN {t}.until > excluded.at THEN {t}.until ELSE excluded.at END + %s "
    ) * len(PACED)
    waits = f"WHEN {t}.failures >= %s THEN %s " * steps
    rows, keys = ", ".join(["(%s, %s, 1, %s, %s, %s, %s)"] * counts), ", ".join(["%s"] * counts)
    read = f", (SELECT o.failures FROM {t} o WHERE o.key = %s)" * spared  # noqa: S608 - names, and placeholders
    return (
        f"INSERT INTO {t} (key, kind, failures, until, at, source, namespace) "  # noqa: S608 - as above
        f"SELECT * FROM (VALUES {rows}) AS n "
        f"WHERE NOT EXISTS (SELECT 1 FROM {t} o WHERE o.key IN ({keys}) AND o.until > %s + {_bursts('o')}) "
        f"ON CONFLICT (key) DO UPDATE SET failures = {t}.failures + 1, at = excluded.at, "
        f"until = CASE {paced}{waits}ELSE 0 END "
        f"WHERE {t}.until <= excluded.at + {_bursts(t)} RETURNING key, failures{read}"
    )


def _bursts(t: str) -> str:
    """Return the SQL of what a row of the table ``t`` may use at once."""
    return f"CASE {' '.join([f'WHEN {t}.kind = %s THEN %s'] * len(PACED))} ELSE 0 END"


def _consume_in_turn(counts: Sequence[tuple[str, str]], now: int) -> list[str]:
    """Count the rows one by one, until one has no attempt left; return the keys of the others."""
    counted: list[str] = []
    for key, kind in counts:
        step, burst = _pace(kind)
        free = rows().filter(pk=key, until__lte=now + burst)
        until: Any = Greatest(F("until"), now) + step
        if kind not in PACED:
            steps = (
                When(failures__gte=failures, then=Value(ends)) for failures, ends in reversed(_steps(now))
            )
            until = Case(*steps, default=Value(0))
        # In this order, since MySQL and MariaDB let an assignment see those before it.
        if not _again(free.update, until=until, failures=F("failures") + 1, at=now):
            break
        counted.append(key)
    return counted


def _make(counts: Sequence[tuple[str, str]], source: str, now: int) -> None:
    """Create the missing rows, which count nothing yet, and lock all of them.

    On MySQL with ON DUPLICATE KEY UPDATE: INSERT IGNORE locks an existing row in shared mode, and two such
    locks deadlock.
    """
    here = namespaces.active()
    new = [
        table()(key=key, kind=kind, at=now, source=source if kind == SOURCE else "", namespace=here)
        for key, kind in counts
    ]
    if connections[trail.database()].vendor == "mysql":
        _again(rows().bulk_create, new, update_conflicts=True, update_fields=["at"])
        return
    for row in new:
        rows().get_or_create(
            key=row.key, defaults={"kind": row.kind, "at": now, "source": row.source, "namespace": here}
        )


def _again(change: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Make a change, and repeat it after a deadlock.

    Not inside a transaction, which the deadlock has rolled back.
    """
    for _ in range(_TRIES):
        try:
            return change(*args, **kwargs)
        except OperationalError as error:
            if connections[trail.database()].in_atomic_block or not _is_deadlock(error):
                raise
    return change(*args, **kwargs)


def _is_deadlock(error: OperationalError) -> bool:
    cause: Any = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state == _POSTGRESQL_DEADLOCK or error.args[:1] == (_MYSQL_DEADLOCK,)


def _steps(now: int) -> list[tuple[int, int]]:
    """Return pairs of failures and the time until which one more failure makes a row wait, ascending."""
    settings = conf.current()
    steps, failures = [], settings.lockout_tries
    delay, longest = (
        int(each.total_seconds() * 1000) for each in (settings.lockout_delay, settings.lockout_longest_delay)
    )
    while delay and failures < records.MOST_FAILURES:
        steps.append((failures - 1, now + min(delay, longest)))
        if delay >= longest:
            break
        failures, delay = failures + 1, delay * 2
    return [*steps, (records.MOST_FAILURES - 1, now + _FOREVER)]


def _pace(kind: str) -> tuple[int, int]:
    """Return what one failure costs a row, in milliseconds, and how much the row may use at once; else zeros.

    A name has more failures than the waits of an account allow, so it matters only where a success has
    ended those waits.
    """
    settings = conf.current()
    if kind == SOURCE:
        step = math.ceil(_HOUR / settings.source_tries)
        return step, _HOUR - step
    if kind == RATE:
        step, waits = int(settings.lockout_longest_delay.total_seconds() * 1000), len(_steps(0)) - 1
        return step, step * (2 * settings.lockout_tries + waits - 1)
    return 0, 0


def wait(until: int, kind: str, now: int) -> int:
    """Return the seconds until a row has an attempt left; 0 if it has one."""
    free_at = until - _pace(kind)[1]
    return min(max(math.ceil((free_at - now) / 1000), 0), _LONGEST_WAIT)


def give_back(counted: Mapping[str, int], others: Mapping[str, int] | None = None) -> None:
    """Take failures back, so many from the row of each key, in one statement.

    Rows that have ``counted`` the current attempt had an attempt left before it, and have one again. The
    ``others`` may have been locked by failures that remain.
    """
    others = others or {}
    amounts = {**others, **counted}
    if amounts:
        _again(_give_back, amounts, others)


def _give_back(amounts: Mapping[str, int], others: Collection[str]) -> None:
    connection = connections[trail.database()]
    t, key, failures, until, kind = (
        connection.ops.quote_name(name)
        for name in (table()._meta.db_table, "key", "failures", "until", "kind")
    )
    several = [(one, number) for one, number in amounts.items() if number != 1]
    lost, amount = "1", [part for pair in several for part in pair]
    if several:
        lost = f"CASE {key}{' WHEN %s THEN %s' * len(several)} ELSE 1 END"
    paces = [(each, _pace(each)[0]) for each in PACED]
    whens, params = (
        f" WHEN {kind} = %s THEN {until} - %s" * len(paces),
        [part for pair in paces for part in pair],
    )
    if others:
        whens += f" WHEN {key} IN ({_marks(others)}) AND {failures} >= {lost} + %s THEN {until}"
        params += [*others, *amount, conf.current().lockout_tries]
    where, keys = f"{key} IN ({_marks(amounts)})", sorted(amounts)
    if connection.vendor == "postgresql" and len(keys) > 1:
        # MySQL and MariaDB lock rows in the order of the keys by themselves, SQLite has no locks on rows.
        ordered = f"SELECT {key} FROM {t} WHERE {where} ORDER BY {key} FOR UPDATE"  # noqa: S608 - names only
        where = f"{key} IN ({ordered})"
    # In this order, since MySQL and MariaDB let an assignment see those before it.
    sql = (
        f"UPDATE {t} SET {until} = CASE{whens} ELSE 0 END, "  # noqa: S608 - names and placeholders only
        f"{failures} = CASE WHEN {failures} > {lost} THEN {failures} - {lost} ELSE 0 END "
        f"WHERE {where} AND {failures} > 0"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *amount, *amount, *keys])


def _marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


class Count(NamedTuple):
    """What a row has counted, and until when it waits, in milliseconds since 1970."""

    key: str
    kind: str
    failures: int
    until: int


def counts_of(keys: Collection[str]) -> list[Count]:
    """Return what the rows of these keys have counted; rows that do not exist are left out."""
    connection = connections[trail.database()]
    columns = ", ".join(map(connection.ops.quote_name, Count._fields))
    t, key = connection.ops.quote_name(table()._meta.db_table), connection.ops.quote_name("key")
    sql = f"SELECT {columns} FROM {t} WHERE {key} IN ({_marks(keys)})"  # noqa: S608 - names, and placeholders
    with connection.cursor() as cursor:
        cursor.execute(sql, [*keys])
        return [Count(*row) for row in cursor.fetchall()]


def reset(*keys: str) -> int:
    """Reset these rows; return how many had counted anything."""
    return _again(rows().filter(pk__in=keys, failures__gt=0).update, failures=0, until=0)


def purge(batch: int = BATCH) -> Iterator[int]:
    """Remove counts without effect in batches; yield how many each batch removed.

    A source is removed when all its failures have expired, an account or a name after 30 days without a
    failure, and the resets of an address after a day without one.
    """
    after, every, moment = "", rows(), now()
    dead = Q(kind__in=PACED, until__lte=moment) | Q(failures=0, at__lte=moment - _HOUR)
    dead |= Q(kind=RESET, until__lte=moment, at__lte=moment - _DAY)
    dead |= Q(until__lte=moment, at__lte=moment - _FORGOTTEN_AFTER) & ~Q(kind__in=PACED)
    while keys := list(every.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:batch]):
        after = keys[-1]
        yield _again(delete, every.filter(dead, pk__in=keys))


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def table() -> type[LoginAttempt]:
    """Return the model, which can be imported only when the application registry is ready."""
    from sessionkeeper.models import LoginAttempt

    return LoginAttempt


def rows() -> QuerySet[LoginAttempt]:
    """Return all rows, in the database that is written to."""
    return table()._base_manager.using(trail.database())


_SALT = "sessionkeeper.known_devices"
_LIFE = timedelta(days=400)  # the longest that browsers keep a cookie
_MOST_ACCOUNTS = 16
#: Characters of a mark, the digest that stands for an account or for a name.
MARK = 16


class Device(NamedTuple):
    """The content of the cookie: an id, and marks of the accounts that signed in, the latest first.

    A mark is a digest of a primary key. One of a name stands before it where the account was proven by a name
    that our own look-up does not find.
    """

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, account: str) -> bool:
        """Return whether the account with this mark has signed in on the device."""
        return account in self.accounts

    def account_of(self, name: str) -> str | None:
        """Return the mark of the account that signed in by the name with this mark; None if none has."""
        return next((one[MARK:] for one in self.accounts if one[:MARK] == name and one[MARK:]), None)


#: The device of a sign-in in this request, and whether the user had signed in on it before.
signed_in: ContextVar[tuple[Device, bool] | None] = context.variable("device")


def read(request: HttpRequest | None) -> Device | None:
    """Return the known device of a request, or None."""
    text = Secret(getattr(request, "COOKIES", {}).get(cookie_name()))
    if text.value is None:
        return None
    try:
        value = signing.loads(text.value, salt=_SALT, max_age=_LIFE)
        return Device(str(value[0]), tuple(str(account) for account in value[1]))
    except (signing.BadSignature, ValueError, TypeError, LookupError):
        return None


def remember(device: Device | None, *accounts: str) -> Device:
    """Return the device with these marks added, of an account that has just signed in."""
    known = device or Device(secrets.token_urlsafe(12))
    return Device(known.id, tuple(dict.fromkeys((*accounts, *known.accounts)))[:_MOST_ACCOUNTS])


def write(response: HttpResponseBase, device: Device) -> None:
    """Set the cookie, which is sent wherever the session cookie is."""
    transports.set_cookie(
        response,
        cookie_name(),
        Secret(signing.dumps([device.id, list(device.accounts)], salt=_SALT)),
        _LIFE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def cookie_name() -> str:
    """Return the name of the cookie: that of the session cookie, so with the same prefix, and a suffix.

    Django's error reports hide the values of cookies with "key" in their names.
    """
    return f"{settings.SESSION_COOKIE_NAME}-device-key"
