"""What may be done with sessions beside the one under way: list, walk over, and revoke them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.http import HttpRequest

from sessionkeeper.audit import events, trail
from sessionkeeper.core import context, keys, moments
from sessionkeeper.core.policy import is_live
from sessionkeeper.core.records import Revoked, SessionRecord
from sessionkeeper.stores import user_keys
from sessionkeeper.stores.factory import get_store

#: Sessions that one step of a walk over all of them looks at.
BATCH = 500
#: Sessions of one user that a walk over all of them reads at once.
MANY = 5000
#: Sessions of a user that a list looks at in one go.
PAGE = 100

log = logging.getLogger("sessionkeeper.security")


def current_id(request: HttpRequest) -> int | None:
    """Return the id of the session in which a request came, or None."""
    session: Any = request.session
    return None if session._active.key is None else session._active.key.id


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
    ended = get_store().revoke(number)
    _note_end([] if ended is None else [ended], reason, actor)
    return ended is not None


def revoke_many(session_ids: Iterable[int], *, reason: str = "code", actor: Any = None) -> int:
    """End these sessions in batches; return how many there were."""
    ids = iter(session_ids)
    number = 0
    while batch := list(islice(ids, BATCH)):
        number += _note_end(get_store().revoke_many(batch), reason, actor)
    return number


def revoke_everyone(*, reason: str = "everyone", actor: Any = None) -> Iterator[int]:
    """End all sessions of all users and visitors, batch by batch; yield how many each batch ended.

    Sessions that begin meanwhile may be spared: ids grow with time, and the walk goes down.
    """
    newest = keys.MAX_ID
    while records := get_store().scan(BATCH, newest):
        yield revoke_many((record.id for record in records), reason=reason, actor=actor)
        newest = records[-1].id - 1


def revoke_all(
    user: Any, except_: int | str | None = None, *, reason: str | None = "code", actor: Any = None
) -> int:
    """End all sessions of a user except ``except_``, a number or public id; return how many.

    All end at once. The audit trail records them batch by batch, or not at all with ``reason=None``.
    """
    if not user_keys.fit():
        return 0
    return _note_end(get_store().revoke_all(_pk(user), _number(except_)), reason, actor)


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


def _note_end(ended: list[Revoked], reason: str | None, actor: Any) -> int:
    """Write down which sessions ended in which somebody was signed in; return how many ended in all.

    Remember too whether the request under way ended the session that it is in.
    """
    this = context.current_session()
    this.ended = this.ended or any(one.id == this.id for one in ended)
    signed_in = iter(ended if reason is not None else ())
    while batch := list(islice((one for one in signed_in if one.user_id is not None), BATCH)):
        trail.record_all(
            trail.make(
                events.Kind.REVOKED, user=one.user_id, session_id=one.id, actor=actor, reason=reason or ""
            )
            for one in batch
        )
    return len(ended)


def _number(session_id: int | str | None) -> int | None:
    return keys.parse_id(session_id) if isinstance(session_id, str) else session_id


def _pk(user: Any) -> Any:
    return getattr(user, "pk", user)


def now() -> datetime:
    """Return the application's clock, in UTC."""
    return moments.now()
