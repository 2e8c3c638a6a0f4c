"""Removes what is old, everywhere: what ``sessions purge`` and ``clearsessions`` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.db import Error

from sessionkeeper import conf
from sessionkeeper.audit.trail import BATCH, _all_rows
from sessionkeeper.core import failures, greenlets, moments
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.http import client_address
from sessionkeeper.stores.database.writes import delete


def purge_events(batch: int = BATCH) -> Iterator[int]:
    """Remove events that are older than ``AUDIT_RETENTION``, batch by batch; yield how many each removed.

    Of those older than ``AUDIT_MINIMISE_AFTER`` only the network of the address is kept (/24, /48 of IPv6),
    and nothing of the user agent. What is too old goes in all namespaces.
    """
    settings, every = conf.current(), _all_rows()
    old = every.filter(at__lte=_ago(settings.audit_retention)).order_by("pk")
    while ids := list(old.values_list("pk", flat=True)[:batch]):
        yield delete(every.filter(pk__in=ids))
    whole = every.filter(at__lte=_ago(settings.audit_minimise_after), exact=True).order_by("pk")
    while found := list(whole.only("pk", "ip_address")[:batch]):
        for row in found:
            row.ip_address = client_address.network(row.ip_address, ipv6=48)
            row.exact, row.user_agent = False, ""
        every.bulk_update(found, ["ip_address", "exact", "user_agent"])
        yield 0


def _ago(duration: timedelta) -> datetime:
    return moments.now() - duration


#: What a step has removed.
SESSIONS, COUNTS, EVENTS = "sessions", "counts", "events"
#: What layers above remove in the database: a name, and a function that is given the size of a batch.
steps: dict[str, Callable[[int], Iterator[int]]] = {}


class CleaningFailed(StoreUnavailable, CommandError):
    """Not all that is old was removed; the next run does the rest.

    It is an error of a command too, since Django's own ``clearsessions`` may be the one that runs: that ends
    with the sentence then, instead of a traceback.
    """


def clean(batch: int = registry.BATCH) -> Iterator[tuple[str, int]]:
    """Remove step by step; yield what each step removed, and how many.

    Expired sessions go, counts of failed sign-ins without effect, and audit events older than
    ``AUDIT_RETENTION``; older ones than ``AUDIT_MINIMISE_AFTER`` lose the address and the user agent.

    Raises:
        StoreUnavailable, django.db.Error: a store did not answer, or refused.
    """
    for number in registry.purge(batch):
        yield SESSIONS, number
    # The database has these wherever the sessions are.
    for what, purge in {**steps, EVENTS: purge_events}.items():
        for number in greenlets.run_in_database_thread(list, purge(batch)):
            yield what, number


def clean_all() -> None:
    """Remove all that is old.

    Raises:
        CleaningFailed: a store did not answer, or refused; the text says it in one sentence.
    """
    try:
        for _ in clean():
            pass
    except (StoreUnavailable, Error) as error:
        raise CleaningFailed(failures.sentence(error)) from error
