"""Finds the session that a key opens."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import KeyStatus, Lookup, expired, is_live, touch_due
from sessionkeeper.engine import renewal
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_near_cache, get_store

#: The most cookies of one name that are read.
MOST_COOKIES = 4
_BACKENDS = ("django.contrib.auth.backends.ModelBackend", "sessionkeeper.backends.ModelBackend")

log = logging.getLogger("sessionkeeper.security")


def resolve(
    session_key: object, *, transport: str, principal: bool = False, detect_reuse: bool = False
) -> tuple[KeyStatus, Lookup | None]:
    """Return the status of a key, and the session if the key opens one.

    Any value is accepted; only an outage raises. With ``detect_reuse``, an old key of the session is taken
    for a copy, which ends the session.

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
        data = codec.decode(found.record.data)
    except CorruptPayload:
        return _end_corrupt(key)
    follow_backend(data)
    return KeyStatus.LIVE, found._replace(key=key, data=data)


def resolve_one(
    session_keys: Iterable[keys.Secret[str] | None], *, transport: str
) -> tuple[keys.Secret[str] | None, KeyStatus, bool]:
    """Return the one of several keys in a request that opens a session, the status, and whether all do.

    If several do, none of them counts, since an attacker may have planted one.
    """
    live, distinct = [], dict.fromkeys(session_keys)
    for session_key in islice(distinct, MOST_COOKIES):
        _, found = resolve(session_key, transport=transport)
        if found is not None:
            live.append(session_key)
            user, session_id = found.record.user_id, found.record.id
            log.warning(
                "A request had several session cookies, one of them of session %s.",
                keys.encode_id(session_id),
            )
            trail.record_once(events.Kind.SEVERAL_COOKIES, user=user, session_id=session_id)
    if len(live) == 1:
        return live[0], KeyStatus.LIVE, False
    return None, KeyStatus.STALE if live else KeyStatus.GONE, len(live) == len(distinct)


def follow_backend(data: dict[str, Any]) -> None:
    """Take Django's ``ModelBackend`` and ours for one another where only one of them is configured.

    Both find the same users. Without this, replacing one by the other would sign everybody out.
    """
    path, backends = data.get(BACKEND_SESSION_KEY), settings.AUTHENTICATION_BACKENDS
    if path not in backends and path in _BACKENDS:
        other = next(one for one in _BACKENDS if one != path)
        if other in backends:
            data[BACKEND_SESSION_KEY] = other


def recall(session_key: object, *, transport: str) -> Lookup | None:
    """Return the session of a key as the near cache remembers it; None if the store has to be asked.

    ``data`` holds only the user. A session that would be refused or is due for a touch is not returned, since
    it may have been used elsewhere meanwhile.
    """
    near = get_near_cache()
    if near is None:
        return None
    key, current = keys.parse(session_key), conf.current()
    if key is None or current.watches_clients:
        return None  # the session itself has to be compared with the client
    recalled = near.recall(key.id)
    if recalled is None or recalled.read_at is None:
        return None
    record, now, interval = recalled.record, recalled.now, current.touch_interval
    if (
        not is_live(record, now)
        or not keys.same_hash(record.secret_hash, key.secret_hash)
        or record.transport != transport
        or (touch_due(record, now, interval) and not touch_due(record, recalled.read_at, interval))
    ):
        return None
    follow_backend(recalled.data)
    return recalled._replace(key=key)


def _end_corrupt(key: keys.Key) -> tuple[KeyStatus, Lookup | None]:
    log.warning("Session %s was ended: its stored data cannot be read.", keys.encode_id(key.id))
    get_store().revoke(key.id)
    return KeyStatus.GONE, None
