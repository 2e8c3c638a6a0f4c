"""What may be done with a session: resolve a key, work out limits and changes, list, revoke, purge.

Knows stores and policy, no HTTP. The engine calls it for one request, the command line for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.policy import expired, is_live, touch_due
from sessionkeeper.core.records import Found, KeyStatus
from sessionkeeper.engine import renewal
from sessionkeeper.engine.registry import log
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_near_cache, get_store

#: Cookies of one name that are looked at.
MOST_COOKIES = 4


class Resolved(NamedTuple):
    """What became of a presented key. Without a live session ``data`` is empty and ``found`` None."""

    verdict: KeyStatus
    key: keys.Key | None = None
    found: Found | None = None
    data: dict[str, Any] = {}


def resolve(text: object, *, transport: str, principal: bool = False, watching: bool = False) -> Resolved:
    """Return what a client's key stands for. Any value is taken; only an outage raises.

    With ``watching`` a client presents the key right now: an old one is a copy, and ends the session.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    key = keys.parse(text)
    if key is None:
        return Resolved(KeyStatus.MALFORMED)
    try:
        found = get_store().find(key.id, principal=principal)
    except CorruptPayload:
        return _end_corrupt(key)
    if found is None:
        return Resolved(KeyStatus.GONE)
    if not is_live(found.record, found.now):
        if renewal.is_current(key, found.record):
            trail.note(expired(found.record))
        return Resolved(KeyStatus.GONE)
    if not renewal.is_good(key, found):
        copied = watching and renewal.end_if_copied(key, found.record)
        return Resolved(KeyStatus.COPIED if copied else KeyStatus.STALE)
    if found.record.transport != transport:
        return Resolved(KeyStatus.MALFORMED)
    try:
        return Resolved(KeyStatus.LIVE, key, found, codec.decode(found.record.data))
    except CorruptPayload:
        return _end_corrupt(key)


def resolve_one(texts: Iterable[str | None], *, transport: str) -> tuple[str | None, KeyStatus]:
    """Return which of several keys in one request counts: the only one that opens a session.

    None counts where several do, since somebody may have planted one of them; the verdict is for that case.
    """
    live = []
    for text in islice(dict.fromkeys(texts), MOST_COOKIES):
        found = resolve(text, transport=transport).found
        if found is not None:
            live.append(text)
            user, session_id = found.record.user_id, found.record.id
            log.warning("A request brought several session cookies, one of %s.", keys.encode_id(session_id))
            trail.record_once(events.Kind.SEVERAL_COOKIES, user=user, session_id=session_id)
    if len(live) == 1:
        return live[0], KeyStatus.LIVE
    return None, KeyStatus.STALE if live else KeyStatus.GONE


def recall(text: object, *, transport: str) -> Resolved | None:
    """Return who a key stands for as this process remembers it, asking nobody; None: the store has to say.

    ``data`` holds no more than who signed in. Only a live session is recalled: what would be refused, or is
    due for a touch, may have been used elsewhere since, so the store is asked before that.
    """
    near = get_near_cache()
    if near is None:
        return None
    key, settings = keys.parse(text), conf.current()
    if key is None or settings.watches_clients:
        return None  # whether the client is another one now is asked of the session itself
    recalled = near.recall(key.id)
    if recalled is None:
        return None
    record, now, interval = recalled.found.record, recalled.found.now, settings.touch_interval
    if (
        not is_live(record, now)
        or not keys.same_hash(record.secret_hash, key.secret_hash)
        or record.transport != transport
        or (touch_due(record, now, interval) and not touch_due(record, recalled.filled, interval))
    ):
        return None
    return Resolved(KeyStatus.LIVE, key, recalled.found, recalled.identity)


def _end_corrupt(key: keys.Key) -> Resolved:
    log.warning("Session %s ended: what is stored of it cannot be read.", keys.encode_id(key.id))
    get_store().revoke(key.id)
    return Resolved(KeyStatus.GONE)
