"""Removes what is old, everywhere: what ``sessions purge`` and ``clearsessions`` do."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.management.base import CommandError
from django.db import Error

from sessionkeeper import audit, bridge, faults, guesses, sessions
from sessionkeeper.errors import StoreUnavailable

#: What a step has removed.
SESSIONS, COUNTS, EVENTS = "sessions", "counts", "events"


class CleaningFailed(StoreUnavailable, CommandError):
    """Not all that is old was removed; the next run does the rest.

    It is an error of a command too, since Django's own ``clearsessions`` may be the one that runs: that ends
    with the sentence then, instead of a traceback.
    """


def clean(batch: int = sessions.BATCH) -> Iterator[tuple[str, int]]:
    """Remove step by step; yield what each step removed, and how many.

    Expired sessions go, counts of failed sign-ins without effect, and audit events older than
    ``AUDIT_RETENTION``; older ones than ``AUDIT_MINIMISE_AFTER`` lose the address and the user agent.

    Raises:
        StoreUnavailable, django.db.Error: a store did not answer, or refused.
    """
    for number in sessions.purge(batch):
        yield SESSIONS, number
    # The database has these wherever the sessions are.
    for what, purge in ((COUNTS, guesses.purge), (EVENTS, audit.purge)):
        for number in bridge.elsewhere(list, purge(batch)):
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
        raise CleaningFailed(faults.sentence(error)) from error
