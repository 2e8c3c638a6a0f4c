"""When the columns of a user are kept with a session in Valkey, and when they are dropped."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial

from sessionkeeper import conf, namespaces
from sessionkeeper.errors import StoreUnavailable
from sessionkeeper.record import Found
from sessionkeeper.stores import committed, principals
from sessionkeeper.stores.principals import Answer
from sessionkeeper.stores.redis import principal_cache
from sessionkeeper.stores.redis.client import Client
from sessionkeeper.stores.redis.index import Index
from sessionkeeper.stores.redis.principal_cache import Fields

log = logging.getLogger("sessionkeeper.store")


def longest() -> timedelta | None:
    """Return how old what is kept may be; None: nothing is."""
    return conf.current().principal_cache


class Keeping:
    """Keeps and drops. ``now`` is the time that the script is to take; empty: the server's own."""

    def __init__(self, client: Client, index: Index) -> None:
        self._client = client
        self._index = index

    def keep(self, fields: Fields, found: Found, answer: Answer, now: str) -> None:
        """Keep what was read of a user, once it is committed, unless it is dropped until then."""
        if answer.snapshot is None or answer.keep is None:
            return
        text = principal_cache.write(fields, found, answer.snapshot)
        if text is not None:
            arguments = ("remember", now, principal_cache.dropped(fields), text)
            answer.keep(partial(self._write, self._index.session(found.record.id), arguments))

    def _write(self, key: str, arguments: tuple[str | bytes, ...]) -> None:
        with suppress(StoreUnavailable):  # then the next request asks again
            self._client.run([key], *arguments)

    def drop(self, user: str | None, now: str) -> None:
        """Drop what is kept of a user: now, and after the transaction under way; until then others read it.

        Best effort: what cannot be dropped is believed until it is too old.
        """
        if user is None:
            return
        alias = principals.users_database()
        if committed.is_open(alias):
            committed.after_commit(alias, namespaces.later(partial(self._drop, user, now)))
        self._drop(user, now)

    def _drop(self, user: str, now: str) -> None:
        try:
            ids = self._index.read(user, now).ids()
            self._client.run_many([(self._index.session(one), ("forget", now)) for one in ids])
        except StoreUnavailable:
            log.warning("What is kept of a user could not be dropped: it is believed until it is too old.")
