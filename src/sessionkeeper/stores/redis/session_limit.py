"""Who has which sessions, while others sign in and out: counted when nothing is on its way.

In a Cluster an index and the sessions that it names change one after the other, so an entry without its
session may be of one that is about to be stored, or of one that has just ended. Counted at once, the first
kind too little would let in too many, the second too much would end sessions that may stay. Both are over in
milliseconds, so they are waited for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from sessionkeeper.core import greenlets
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.stores.redis.indexes import Entries

#: Seconds without a change after which nothing is on its way: a process died in between. What it may still
#: store counts as there, for a minute.
PATIENCE = 1.0


class Sessions(NamedTuple):
    """A user's index, the sessions that it names, and how many more may be about to be."""

    entries: Entries
    records: list[SessionRecord]
    pending: int = 0


def look(
    entries_of: Callable[[], Entries],
    read: Callable[[list[int]], list[SessionRecord]],
    session_id: int,
    *,
    at_once: bool,
) -> Sessions:
    """Look at a user's sessions, beside which ``session_id`` is to be stored.

    Not ``at_once``: until no other entry lacks its session.
    """
    waited_for: frozenset[bytes] = frozenset()
    since = time.monotonic()
    while True:
        entries = entries_of()
        records = read(entries.ids())
        if at_once:
            return Sessions(entries, records)
        pending = entries.pending({session_id, *(record.id for record in records)})
        if pending != waited_for:
            waited_for, since = pending, time.monotonic()
        if not pending or time.monotonic() - since >= PATIENCE:
            return Sessions(entries, records, len(pending))
        greenlets.sleep(random.uniform(0, 0.01))  # noqa: S311 - no secret: so that they do not meet again
