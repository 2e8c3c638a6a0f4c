"""Counts attempts in rows of the database, so that parallel attempts are all counted; knows devices again.

An account or known device has to wait longer after each failure. A source may have a number of failures per
hour: ``until`` is when all of them have expired (the "generic cell rate algorithm"), so that they expire
one by one, not at the end of a window. The password resets of an address do the same; their ``until`` is
when the next one expires.

A known device is a browser on which a user has signed in before, recognised by a signed cookie, which signs
nobody in. It has its own count of attempts, so that it can sign in while an attacker has locked the account
for unknown devices. It also tells sign-ins on new devices from others.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from django.conf import settings
from django.core import signing
from django.db import OperationalError, connections, transaction
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


ACCOUNT, DEVICE, SOURCE, RESET = "account", "device", "source", "reset"
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


def consume(counts: Sequence[tuple[str, str]], source: str, now: int, *, missing: bool = True) -> bool:
    """Count an attempt in each of these rows, given by key and kind.

    Returns False, and counts in none of them, if one has no attempt left. Creates rows that are ``missing``;
    ``source`` is the network for the row of that kind. Locks rows in the order of their keys, so that
    parallel attempts cannot deadlock.
    """
    counts = sorted(counts)
    if _returns_what_it_counts():
        counted: Collection[str] = _again(_consume_at_once, counts, source, now)
    else:
        if missing:
            _make(counts, source, now)
        counted = _consume_in_turn(counts, now)
    if len(counted) == len(counts):
        return True
    for key, kind in counts:
        if key in counted:
            refund(key, kind)
    return False


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


def _consume_at_once(counts: Sequence[tuple[str, str]], source: str, now: int) -> set[str]:
    """Create and count the rows in one statement; return the keys of those that had an attempt left."""
    connection = connections[trail.database()]
    name = connection.ops.quote_name
    t, step, burst = name(table()._meta.db_table), *_pace()
    steps = _steps(now)
    whens = " ".join(f"WHEN {t}.failures >= %s THEN %s" for _ in steps)
    sql = (
        f"INSERT INTO {t} (key, kind, failures, until, at, source, namespace) "  # noqa: S608 - a quoted name only
        f"VALUES {', '.join(['(%s, %s, 1, %s, %s, %s, %s)'] * len(counts))} "
        f"ON CONFLICT (key) DO UPDATE SET failures = {t}.failures + 1, at = excluded.at, until = CASE "
        f"WHEN {t}.kind = %s THEN CASE WHEN {t}.until > excluded.at THEN {t}.until ELSE excluded.at END + %s "
        f"{whens} ELSE 0 END "
        f"WHERE {t}.until <= excluded.at + CASE WHEN {t}.kind = %s THEN %s ELSE 0 END RETURNING key"
    )
    first = next((ends for failures, ends in reversed(steps) if failures == 0), 0)
    here = namespaces.active()
    new = [
        value
        for key, kind in counts
        for value in (
            (key, kind, now + step, now, source, here)
            if kind == SOURCE
            else (key, kind, first, now, "", here)
        )
    ]
    later = [value for one in reversed(steps) for value in one]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*new, SOURCE, step, *later, SOURCE, burst])
        return {key for (key,) in cursor.fetchall()}


def _consume_in_turn(counts: Sequence[tuple[str, str]], now: int) -> list[str]:
    """Count the rows one by one, until one has no attempt left; return the keys of the others."""
    step, burst = _pace()
    counted: list[str] = []
    for key, kind in counts:
        free = rows().filter(pk=key, until__lte=now + burst if kind == SOURCE else now)
        until: Any = Greatest(F("until"), now) + step
        if kind != SOURCE:
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


def _pace() -> tuple[int, int]:
    """Return what one failure costs a source, in milliseconds, and how much a source may use at once."""
    tries = conf.current().source_tries
    return math.ceil(_HOUR / tries), _HOUR - math.ceil(_HOUR / tries)


def wait(until: int, kind: str, now: int) -> int:
    """Return the seconds until a row has an attempt left; 0 if it has one."""
    free_at = until - _pace()[1] if kind == SOURCE else until
    return min(max(math.ceil((free_at - now) / 1000), 0), _LONGEST_WAIT)


def refund(key: str, kind: str) -> None:
    """Take the count of one attempt back."""
    until = F("until") - _pace()[0] if kind == SOURCE else Value(0)
    _again(rows().filter(pk=key, failures__gt=0).update, failures=F("failures") - 1, until=until)


def reset(*keys: str) -> int:
    """Reset these rows; return how many had counted anything."""
    return _again(rows().filter(pk__in=keys, failures__gt=0).update, failures=0, until=0)


def reset_both(counted: str, account: str) -> None:
    """Reset a row that has just counted a successful attempt, and that of its account.

    In a transaction, which has locked only the first one, the other is reset at the commit, since two
    transactions could deadlock.
    """
    if counted == account or not connections[trail.database()].in_atomic_block:
        reset(counted, account)
        return
    reset(counted)
    transaction.on_commit(lambda: reset(account), using=trail.database(), robust=True)


def purge(batch: int = BATCH) -> Iterator[int]:
    """Remove counts without effect in batches; yield how many each batch removed.

    A source is removed when all its failures have expired, an account after 30 days without a failure, and
    the resets of an address after a day without one.
    """
    after, every, moment = "", rows(), now()
    dead = Q(kind=SOURCE, until__lte=moment) | Q(failures=0, at__lte=moment - _HOUR)
    dead |= Q(kind=RESET, until__lte=moment, at__lte=moment - _DAY)
    dead |= Q(until__lte=moment, at__lte=moment - _FORGOTTEN_AFTER) & ~Q(kind=SOURCE)
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
_MOST_ACCOUNTS = 6
_DIGEST = 16


class Device(NamedTuple):
    """The content of the cookie: an id, and digests of the accounts that signed in, the latest first."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, account: str) -> bool:
        """Return whether the account with this key has signed in on the device."""
        return account[:_DIGEST] in self.accounts


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


def id_for(request: HttpRequest | None, account: str) -> str:
    """Return the id of the device if the account has signed in on it, else an empty text."""
    device = read(request)
    return device.id if device is not None and device.knows(account) else ""


def remember(device: Device | None, *accounts: str) -> Device:
    """Return the device with these accounts added, which have just signed in."""
    known = device or Device(secrets.token_urlsafe(12))
    digests = dict.fromkeys((*(account[:_DIGEST] for account in accounts), *known.accounts))
    return Device(known.id, tuple(digests)[:_MOST_ACCOUNTS])


def write(response: HttpResponseBase, device: Device) -> None:
    """Set the cookie."""
    transports.set_cookie(
        response,
        cookie_name(),
        Secret(signing.dumps([device.id, list(device.accounts)], salt=_SALT)),
        _LIFE,
        httponly=True,
        samesite="None" if conf.current().cookie_partitioned else "Lax",
    )


def cookie_name() -> str:
    """Return the name of the cookie: that of the session cookie, so with the same prefix, and a suffix.

    Django's error reports hide the values of cookies with "key" in their names.
    """
    return f"{settings.SESSION_COOKIE_NAME}-device-key"
