"""Ends sessions of the Valkey/Redis store: the hash, its index entries, and the tombstone."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError

from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import Revoked
from sessionkeeper.stores.redis import serialization, tombstones
from sessionkeeper.stores.redis.client import Client, with_channel
from sessionkeeper.stores.redis.indexes import Index

log = logging.getLogger("sessionkeeper.store")

_DONE = 1


class Revocation:
    """Ends sessions. ``now`` is the time for the script; empty: the server's own."""

    def __init__(self, client: Client, index: Index) -> None:
        self._client = client
        self._index = index

    def end(
        self,
        session_ids: Collection[int],
        now: str,
        *,
        secret_hash: bytes | None = None,
        user: str | None = None,
    ) -> list[Revoked]:
        """End sessions, and return those that existed.

        With ``secret_hash`` only if it proves the caller, with ``user`` only that user's. The end of a user's
        session is recorded before this returns. In a retry after a lost answer, missing sessions count as
        ended by the first attempt.

        Raises:
            StoreUnavailable: the store or the database did not answer; the sessions may have ended anyway.
        """
        condition = (with_channel("revoke"), now, secret_hash or "", user or "")
        calls = [(self._index.session(one), condition) for one in session_ids]
        answers = self._client.run_many(calls, again=("1",))
        ended = [
            (session_id, *answer[1:])
            for session_id, answer in zip(session_ids, answers, strict=True)
            if answer[0] == _DONE
        ]
        texts = {session_id: text_of(rest[0]) if rest else user for session_id, *rest in ended}
        self.forget(texts.items())
        of_users = [
            # After a lost answer, the user is unknown; the end is recorded in any case.
            (session_id, _until(rest[1]) if rest else datetime.now(UTC))
            for session_id, *rest in ended
            if not rest or rest[0] is not None
        ]
        if of_users:
            context.run_in_database_thread(tombstones.record, of_users)
        return [Revoked(session_id, _user_of(text)) for session_id, text in texts.items()]

    def end_again(self, session_id: int, now: str) -> None:
        """End a session again that a failover or a restored backup has brought back."""
        log.warning("Session %s was there again although it had ended.", keys.encode_id(session_id))
        with suppress(StoreUnavailable):  # it is refused in any case
            self.end([session_id], now)

    def forget(self, ended: Collection[tuple[int, str | None]]) -> None:
        """Remove the index entries of ended sessions, each given with its user."""
        try:
            self._index.drop_ended(ended)
        except StoreUnavailable:  # the sessions have ended; later reads clean up
            log.warning("The entries of %d ended session(s) stay in the indexes for now.", len(ended))


def text_of(user: bytes | None) -> str | None:
    """Return a user's key as text; bytes that are not ours match no user and no index."""
    return None if user is None else user.decode(errors="replace")


def _user_of(text: str | None) -> Any:
    try:
        return serialization.user_id(None if text is None else text.encode())
    except (ValueError, ValidationError):
        return None


def _until(expires: bytes) -> datetime:
    try:
        return serialization.moment(expires)
    except (ValueError, OverflowError):  # such a session admits nobody
        return datetime.now(UTC)
