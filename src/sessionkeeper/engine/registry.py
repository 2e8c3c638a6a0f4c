"""What may be done with a session: resolve a key, work out limits and changes, list, revoke, purge.

Knows stores and policy, no HTTP. The engine calls it for one request, the command line for many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sessionkeeper.audit import events, trail
from sessionkeeper.core import context, keys, moments
from sessionkeeper.core.policy import is_live
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine.session_data import user_of
from sessionkeeper.stores import user_keys
from sessionkeeper.stores.factory import get_store

#: Sessions that one step of a walk over all of them looks at.
BATCH = 500
#: Sessions of one user that a walk over all of them reads at once.
MANY = 5000
#: Sessions of a user that a list looks at in one go.
PAGE = 100

log = logging.getLogger("sessionkeeper.security")


def owner_of(data: dict[str, Any]) -> Any:
    """Return the user whose session this is to a store: whom the data names, or None. Never raises."""
    return user_of(data) if user_keys.fit() else None


def list_for(user: Any) -> list[SessionRecord]:
    """Return a user's live sessions, newest first. ``user`` is a user or its primary key."""
    moment = now()
    return [record for record in records_of(user) if is_live(record, moment)]


def page_for(
    user: Any, this: int | None, limit: int = PAGE, newest: int = keys.MAX_ID
) -> tuple[list[SessionRecord], int | None]:
    """Return the live ones of a user's ``limit`` sessions from the id ``newest`` down, and where to go on.

    That is None at the end. The session with the id ``this`` comes first of all, and not again.
    """
    records = records_of(user, limit, newest)
    rest = records[-1].id - 1 if len(records) == limit else None
    moment = now()
    live = [record for record in records if record.id != this and is_live(record, moment)]
    if this is None or newest != keys.MAX_ID:
        return live, rest
    first = [record for record in records if record.id == this]
    if not first and rest is not None:
        found = get_store().find(this)
        first = [] if found is None else [found.record]
    return [record for record in first if is_live(record, moment)] + live, rest


def walk(user: Any) -> Iterator[SessionRecord]:
    """Yield a user's sessions, expired ones included, newest first, read in batches."""
    newest: int | None = keys.MAX_ID
    while newest is not None:
        records = records_of(user, MANY, newest)
        yield from records
        newest = records[-1].id - 1 if len(records) == MANY else None


def records_of(user: Any, limit: int | None = None, newest: int = keys.MAX_ID) -> list[SessionRecord]:
    """Return a user's sessions as the store lists them; none of a user whom its columns cannot name."""
    return get_store().list_for(_pk(user), limit, newest) if user_keys.fit() else []


def scan(newest: int = keys.MAX_ID) -> Iterator[SessionRecord]:
    """Yield everybody's sessions, expired ones included, newest first, read in batches."""
    while records := get_store().scan(BATCH, newest):
        yield from records
        newest = records[-1].id - 1


def revoke(session_id: int | str, *, reason: str = "code", actor: Any = None) -> bool:
    """End one session, given by its number or its public id; return whether there was one.

    The audit trail records ``reason`` and ``actor``, a user or None.
    """
    number = _number(session_id)
    if number is None:
        return False
    _note(number)
    found = get_store().find(number)
    ended = get_store().revoke(number)
    if ended and found is not None:
        _record([(number, found.record.user_id)], reason, actor)
    return ended


def revoke_many(session_ids: Iterable[tuple[int, Any]], *, reason: str = "code", actor: Any = None) -> int:
    """End these sessions, each given with its user's key or None, in batches; return how many there were."""
    ids = iter(session_ids)
    ended = 0
    while batch := list(islice(ids, BATCH)):
        _note(*(session_id for session_id, _ in batch))
        number = get_store().revoke_many([session_id for session_id, _ in batch])
        if number:
            _record(batch, reason, actor)
        ended += number
    return ended


def revoke_everyone(*, reason: str = "everyone", actor: Any = None) -> Iterator[int]:
    """End all sessions of all users and visitors, batch by batch; yield how many each batch ended.

    Sessions that begin meanwhile may be spared: ids grow with time, and the walk goes down.
    """
    newest = keys.MAX_ID
    while records := get_store().scan(BATCH, newest):
        number = get_store().revoke_many([record.id for record in records])
        _record([(record.id, record.user_id) for record in records], reason, actor)
        yield number
        newest = records[-1].id - 1


def revoke_all(
    user: Any, except_: int | str | None = None, *, reason: str | None = "code", actor: Any = None
) -> int:
    """End all sessions of a user except ``except_``, a number or public id; return how many.

    All end at once. The audit trail records them batch by batch, or not at all with ``reason=None``.
    """
    if not user_keys.fit():
        return 0
    pk, except_ = _pk(user), _number(except_)
    ids = (record.id for record in walk(pk) if record.id != except_)
    listed = iter(list(ids) if reason is not None else ())
    ended = get_store().revoke_all(pk, except_)
    while ended and reason is not None and (batch := list(islice(listed, BATCH))):
        _record([(session_id, pk) for session_id in batch], reason, actor)
    this = context.get()
    if ended and this.session_id not in (None, except_) and get_store().find(this.session_id) is None:
        this.ended = True
    return ended


def purge(batch: int = BATCH) -> Iterator[int]:
    """Remove expired sessions batch by batch; yield how many each batch removed.

    The audit trail gets one event for all of them, also if the purge is interrupted.
    """
    after: int | None = 0
    signed_in = 0
    try:
        while after is not None:
            removed, after = get_store().purge(batch, after)
            signed_in += sum(one.user_id is not None for one in removed)
            yield len(removed)
    finally:
        trail.note_purged(signed_in)


def _record(ended: Iterable[tuple[int, Any]], reason: str, actor: Any) -> None:
    """Write down which sessions ended in which somebody was signed in."""
    trail.record_all(
        trail.make(events.Kind.REVOKED, user=user_id, session_id=session_id, actor=actor, reason=reason)
        for session_id, user_id in ended
        if user_id is not None
    )


def _note(*session_ids: int) -> None:
    """Remember that the request under way ended the session that it is in."""
    this = context.get()
    this.ended = this.ended or this.session_id in session_ids


def _number(session_id: int | str | None) -> int | None:
    return keys.parse_id(session_id) if isinstance(session_id, str) else session_id


def _pk(user: Any) -> Any:
    return getattr(user, "pk", user)


def now() -> datetime:
    """Return the application's clock, in UTC."""
    return moments.now()
