"""Removes expired sessions and old records: what ``sessions purge`` and ``clearsessions`` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.db import Error

from sessionkeeper import conf
from sessionkeeper.audit.trail import BATCH, _all_rows
from sessionkeeper.core import context, failures, moments
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.http import client_info
from sessionkeeper.stores.database.writes import delete


def purge_events(batch: int = BATCH) -> Iterator[int]:
    """Remove events older than ``AUDIT_RETENTION`` in batches; yield how many each batch removed.

    Events older than ``AUDIT_MINIMISE_AFTER`` keep only the network of the address (/24, or /48 of IPv6) and
    lose the user agent. This applies to all namespaces.
    """
    settings, every = conf.current(), _all_rows()
    # Each walk goes on where it was: rows that were shortened before are read once, not for each batch.
    after, old = 0, every.filter(at__lte=_ago(settings.audit_retention)).order_by("pk")
    while ids := list(old.filter(pk__gt=after).values_list("pk", flat=True)[:batch]):
        after = ids[-1]
        yield delete(every.filter(pk__in=ids))
    whole = every.filter(at__lte=_ago(settings.audit_minimise_after), exact=True).order_by("pk")
    after = 0
    while found := list(whole.filter(pk__gt=after).only("pk", "ip_address")[:batch]):
        after = found[-1].pk
        for row in found:
            row.ip_address = client_info.network(row.ip_address, ipv6=48)
            row.exact, row.user_agent = False, ""
        every.bulk_update(found, ["ip_address", "exact", "user_agent"])
        yield 0


def _ago(duration: timedelta) -> datetime:
    return moments.now() - duration


#: What a step removes.
SESSIONS, COUNTS, EVENTS = "sessions", "counts", "events"
#: Steps of the layers above: a name, and a function that takes the size of a batch.
steps: dict[str, Callable[[int], Iterator[int]]] = {}


class CleaningFailed(StoreUnavailable, CommandError):
    """Not everything was removed; the next run removes the rest.

    It is a ``CommandError`` too, so that Django's own ``clearsessions`` prints no traceback.
    """


def clean(batch: int = registry.LARGEST) -> Iterator[tuple[str, int]]:
    """Remove in steps of at most ``batch``; yield what each step removed, and how many.

    Removes expired sessions, counts of failed sign-ins without effect, and audit events older than
    ``AUDIT_RETENTION``; see :func:`purge_events`.

    Raises:
        StoreUnavailable, django.db.Error: a store did not answer, or refused.
    """
    for number in registry.purge(batch):
        yield SESSIONS, number
    # These are in the database, whatever store has the sessions.
    for what, purge in {**steps, EVENTS: purge_events}.items():
        for number in context.run_in_database_thread(list, purge(min(batch, BATCH))):
            yield what, number


def clean_all() -> None:
    """Remove everything that is old.

    Raises:
        CleaningFailed: a store did not answer, or refused; the text says so in one sentence.
    """
    try:
        for _ in clean():
            pass
    except (StoreUnavailable, Error) as error:
        raise CleaningFailed(failures.sentence(error)) from error
