"""What a client's key opens. Knows stores and policy, no HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.policy import expired, is_live, touch_due
from sessionkeeper.core.records import KeyStatus, Lookup
from sessionkeeper.engine import renewal
from sessionkeeper.engine.registry import log
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_near_cache, get_store

#: Cookies of one name that are looked at.
MOST_COOKIES = 4


def resolve(
    session_key: object, *, transport: str, principal: bool = False, detect_reuse: bool = False
) -> tuple[KeyStatus, Lookup | None]:
    """Return what a client's key turned out to be, and the session if it opens one.

    Any value is taken; only an outage raises.

    With ``detect_reuse`` a client presents the key right now: an old one is a copy, and ends the session.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    key = keys.parse(session_key)
    if key is None:
        return KeyStatus.MALFORMED, None
    try:
        found = get_store().find(key.id, principal=principal)
    except CorruptPayload:
        return _end_corrupt(key)
    if found is None:
        return KeyStatus.GONE, None
    if not is_live(found.record, found.now):
        if renewal.is_current(key, found.record):
            trail.note(expired(found.record))
        return KeyStatus.GONE, None
    if not keys.same_hash(found.record.secret_hash, key.secret_hash) and not renewal.is_good(key, found):
        copied = detect_reuse and renewal.end_if_copied(key, found.record)
        return (KeyStatus.COPIED if copied else KeyStatus.STALE), None
    if found.record.transport != transport:
        return KeyStatus.MALFORMED, None
    try:
        return KeyStatus.LIVE, found._replace(key=key, data=codec.decode(found.record.data))
    except CorruptPayload:
        return _end_corrupt(key)


def resolve_one(session_keys: Iterable[str | None], *, transport: str) -> tuple[str | None, KeyStatus]:
    """Return which of several keys in one request counts: the only one that opens a session.

    None counts where several do, since somebody may have planted one of them; the verdict is for that case.
    """
    live = []
    for session_key in islice(dict.fromkeys(session_keys), MOST_COOKIES):
        _, found = resolve(session_key, transport=transport)
        if found is not None:
            live.append(session_key)
            user, session_id = found.record.user_id, found.record.id
            log.warning("A request brought several session cookies, one of %s.", keys.encode_id(session_id))
            trail.record_once(events.Kind.SEVERAL_COOKIES, user=user, session_id=session_id)
    if len(live) == 1:
        return live[0], KeyStatus.LIVE
    return None, KeyStatus.STALE if live else KeyStatus.GONE


def recall(session_key: object, *, transport: str) -> Lookup | None:
    """Return who a key stands for as this process remembers it, asking nobody; None: the store has to say.

    ``data`` holds no more than who signed in. Only a live session is recalled: what would be refused, or is
    due for a touch, may have been used elsewhere since, so the store is asked before that.
    """
    near = get_near_cache()
    if near is None:
        return None
    key, settings = keys.parse(session_key), conf.current()
    if key is None or settings.watches_clients:
        return None  # whether the client is another one now is asked of the session itself
    recalled = near.recall(key.id)
    if recalled is None or recalled.read_at is None:
        return None
    record, now, interval = recalled.record, recalled.now, settings.touch_interval
    if (
        not is_live(record, now)
        or not keys.same_hash(record.secret_hash, key.secret_hash)
        or record.transport != transport
        or (touch_due(record, now, interval) and not touch_due(record, recalled.read_at, interval))
    ):
        return None
    return recalled._replace(key=key)


def _end_corrupt(key: keys.Key) -> tuple[KeyStatus, Lookup | None]:
    log.warning("Session %s ended: what is stored of it cannot be read.", keys.encode_id(key.id))
    get_store().revoke(key.id)
    return KeyStatus.GONE, None
