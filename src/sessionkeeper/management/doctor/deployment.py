"""The settings and the store, from inside: system checks, reachability, clocks, expired sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core import checks
from django.db import DatabaseError

from sessionkeeper import conf
from sessionkeeper.checks import TAG
from sessionkeeper.conf import validators
from sessionkeeper.core import failures, keys, policy
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.management.doctor import middleware_probe
from sessionkeeper.management.doctor.report import Finding, error, ok, warning
from sessionkeeper.stores.factory import get_store

#: Old sessions looked at, to tell whether anything purges.
_SAMPLE = 200
_LATE_PURGE = timedelta(days=2)
_CLOCK_SKEW = timedelta(seconds=5)
_PURGE = "Run `manage.py sessions purge` once a day, by cron."
#: Checks of Django's own whose subject ours look at too.
_TOLD_BY_OURS = frozenset(f"security.W{number:03}" for number in (4, 8, 10, 11, 12, 13, 14, 15, 16, 17))


def look() -> Iterator[Finding]:
    """Yield what the project's own process can tell."""
    seen, settled = middleware_probe.look()
    yield from _system_checks(settled)
    yield from seen
    try:
        yield from _store()
    except (StoreUnavailable, DatabaseError) as reason:
        yield error(
            "store",
            str(failures.sentence(reason)),
            "Start it, or correct SESSIONKEEPER['STORE'] and DATABASES. Until then sessions do not work.",
        )


def _system_checks(settled: frozenset[str]) -> Iterator[Finding]:
    messages = checks.run_checks(tags=[TAG, checks.Tags.security], include_deployment_checks=True)
    known = _TOLD_BY_OURS | settled
    heard = [one for one in messages if not one.is_silenced() and one.id not in known]
    for message in heard:
        kind = error if message.level >= checks.ERROR else warning
        if message.level >= checks.WARNING:
            yield kind(message.id or "check", str(message.msg), str(message.hint or ""))
    if not heard:
        yield ok("settings", "All system checks pass, those for deployment included.")


def _store() -> Iterator[Finding]:
    store, now = get_store(), registry.now()
    yield ok("store", f"It answers, and holds {store.count()} sessions.")
    newest = store.scan(1)
    found = store.find(newest[0].id) if newest else None
    if found is not None:
        yield _clock(abs(found.now - registry.now()))
    settings = conf.current()
    idle = settings.absolute if settings.idle_seconds is None else timedelta(seconds=settings.idle_seconds)
    then = now - _LATE_PURGE
    if settings.asked:  # what sessions may last is not known from here
        idle = validators.LONGEST
    old = store.scan(_SAMPLE, keys.id_before(then - min(idle, settings.absolute)))
    late = sum(not policy.is_live(record, then) for record in old)
    if late:
        days = _LATE_PURGE.days
        yield warning(
            "purge", f"Of {len(old)} old sessions {late} expired more than {days} days ago.", _PURGE
        )
    else:
        yield ok("purge", "No session was found that expired long ago.")


def _clock(skew: timedelta) -> Finding:
    seconds = skew.total_seconds()
    if skew > _CLOCK_SKEW:
        fix = "Keep the clocks of web servers and store in step (NTP)."
        return warning("clock", f"The store's clock and this machine's differ by {seconds:.0f} s.", fix)
    return ok("clock", "The store's clock and this machine's agree.")
