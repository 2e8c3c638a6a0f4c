"""Lists and revokes sessions, also other ones than the request's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from sessionkeeper.audit import events, trail
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, keys, moments
from sessionkeeper.core.records import Revoked, SessionRecord, is_live
from sessionkeeper.stores import codec
from sessionkeeper.stores.database import transactions
from sessionkeeper.stores.factory import get_store

#: Sessions that are read or revoked at once, and purged at first.
BATCH = 500
#: The most sessions that are purged at once.
LARGEST = 10_000
#: The seconds that a step of a purge may take before the next ones are smaller.
_STEP = 0.05
#: Sessions of one user that :func:`walk` reads at once: with each part, Valkey reads the whole index.
MANY = 1000
#: The most sessions on one page of a list.
PAGE = 50

now = moments.now


def current_id(request: HttpRequest) -> int | None:
    """Return the id of the request's session, or None."""
    session: Any = request.session
    return None if session._active.key is None else session._active.key.id


def list_for(user: Any) -> list[SessionRecord]:
    """Return a user's live sessions, newest first. ``user`` is a user or its primary key.

    Nothing limits how many there are, unless ``MAX_SESSIONS`` does: a page for users shows a part of them.
    """
    moment = now()
    return [record for record in records_of(user) if is_live(record, moment)]


def page_for(
    user: Any, this: int | None, limit: int = PAGE, newest: int = keys.MAX_ID
) -> tuple[list[SessionRecord], int | None]:
    """Return the live ones of ``limit`` sessions from the id ``newest`` down, and the next ``newest``.

    The latter is None at the end. The session with the id ``this`` comes first on the first page only. No
    others are read, so a page has fewer, perhaps none, where expired sessions wait for a purge.
    """
    found = records_of(user, limit + 2, newest)
    records, rest = found[:limit], next((record.id for record in found[limit:] if record.id != this), None)
    moment = now()
    live = [record for record in records if record.id != this and is_live(record, moment)]
    if this is None or newest != keys.MAX_ID:
        return live, rest
    first = [record for record in found if record.id == this]
    if not first and len(found) > limit:
        first = get_store().find_many([this])
    page = [record for record in first if is_live(record, moment)] + live
    if len(page) > limit:
        rest = page.pop().id
    return page, rest


def walk(user: Any, at_once: int = MANY) -> Iterator[SessionRecord]:
    """Yield a user's sessions, expired ones included, newest first, read in batches."""
    newest: int | None = keys.MAX_ID
    while newest is not None:
        records = records_of(user, at_once, newest)
        yield from records
        newest = records[-1].id - 1 if len(records) == at_once else None


def records_of(user: Any, limit: int | None = None, newest: int = keys.MAX_ID) -> list[SessionRecord]:
    """Return a user's sessions as the store lists them; none if its columns cannot hold the user's key."""
    return get_store().list_for(_pk(user), limit, newest) if codec.fit() else []


def scan(at_once: int | None = None) -> Iterator[SessionRecord]:
    """Yield all sessions, expired ones included, newest first, read in batches."""
    newest = keys.MAX_ID
    while records := get_store().scan(at_once or BATCH, newest):
        yield from records
        newest = records[-1].id - 1


def revoke(session_id: int | str, *, reason: str = "code", actor: Any = None) -> bool:
    """End one session, given by number or public id; return whether it existed.

    The audit trail records ``reason`` and ``actor``, a user or None.
    """
    number = _number(session_id)
    if number is None:
        return False
    ended = get_store().revoke(number)
    _note_end([] if ended is None else [ended], reason, actor)
    return ended is not None


def end_for_good(end: Callable[[], object]) -> None:
    """Call ``end``, which ends a session, and again if the transaction of the request is rolled back."""
    context.insist(get_store().alias, namespaces.later(end))
    end()


def revoke_many(session_ids: Iterable[int], *, reason: str = "code", actor: Any = None) -> int:
    """End these sessions in batches; return how many existed."""
    ids = iter(session_ids)
    batches = iter(lambda: list(islice(ids, BATCH)), [])
    return sum(_note_end(get_store().revoke_many(batch), reason, actor) for batch in batches)


def revoke_everyone(*, reason: str = "everyone", actor: Any = None) -> Iterator[int]:
    """End all sessions of all users and visitors in batches; yield how many each batch ended.

    Sessions that begin meanwhile may stay: ids grow with time, and the batches go down.
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
    if not codec.fit():
        return 0
    return _note_end(get_store().revoke_all(_pk(user), _number(except_)), reason, actor)


def follows(alias: str) -> bool:
    """Return whether a transaction in this database covers sessions and audit trail, or none is open."""
    return not transactions.is_open(alias) or {get_store().alias, trail.database()} == {alias}


def once_committed(alias: str, effect: Callable[[], object]) -> None:
    """Do what ends sessions because of a write in this database, once that write is committed.

    At once if a rollback would undo both, or if no transaction is open. Otherwise a rollback would leave the
    user as before, and signed out everywhere.
    """
    if follows(alias):
        effect()
    else:
        transaction.on_commit(namespaces.later(effect), using=alias)


def purge(batch: int = LARGEST) -> Iterator[int]:
    """Remove expired sessions in steps of at most ``batch``; yield how many each step removed.

    A step is made so large that it takes some hundredths of a second, and a pause follows it: SQLite has
    one lock for all writes. The audit trail gets one event for all sessions, even if the purge is
    interrupted.
    """
    after: int | None = 0
    size, signed_in = min(BATCH, batch), 0
    try:
        while after is not None:
            began = time.monotonic()
            removed, of_users, after = get_store().purge(size, after)
            took = time.monotonic() - began
            signed_in += of_users
            yield removed
            if after is not None:
                context.sleep(min(took, _STEP) / 2)
            if took > _STEP:
                size = max(size // 2, min(BATCH, batch))
            elif took < _STEP / 2:
                size = min(2 * size, batch)
    finally:
        trail.note_purged(signed_in)


def _note_end(ended: list[Revoked], reason: str | None, actor: Any) -> int:
    """Record the end of those sessions that had a user; return how many ended in all.

    Also note whether the current request ended its own session.
    """
    this = context.current_session()
    this.ended = this.ended or any(one.id == this.id for one in ended)
    signed_in = (one for one in ended if one.user_id is not None and reason is not None)
    while batch := list(islice(signed_in, BATCH)):
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
