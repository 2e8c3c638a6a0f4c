"""Renews the key in a cookie periodically, which detects copies of it (OWASP ASVS 5.0, 10.4.5).

Every ``ROTATE_AFTER`` the client gets another secret. It is derived from the current one, so that parallel
requests, and a request that is repeated because the response was lost, get the same. The family stays.

The previous secret is valid until a request has used the new one, and ``ROTATE_OVERLAP`` longer for requests
already sent. An old secret of the family that is used after that has been copied. Which of the two clients is
the owner cannot be known, so the session ends. Without a secret that the session once had, nobody can end it:
the store has an HMAC of the family, in which its 42 bits cannot be searched for without ``SECRET_KEY``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connections, router, transaction
from django.utils.crypto import salted_hmac

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import context, keys, records
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import registry
from sessionkeeper.stores.factory import get_store

if TYPE_CHECKING:
    from sessionkeeper.core.records import Lookup, SessionRecord

#: Applications that store session keys, with the model and the field, which a rotation updates. They keep
#: renewal off, since they would lose the session each time.
KEEPERS = {"allauth.usersessions": ("usersessions.UserSession", "session_key")}

log = logging.getLogger("sessionkeeper.security")


def is_current(key: keys.Key, record: SessionRecord) -> bool:
    """Return whether the key has the current secret of the session."""
    return keys.same_hash(record.secret_hash, key.secret_hash)


def is_good(key: keys.Key, found: Lookup) -> bool:
    """Return whether the key has the current secret, or the previous one while that is valid."""
    record = found.record
    if is_current(key, record):
        return True
    overlap = conf.current().rotate_overlap
    return (
        record.previous_hash is not None
        and keys.same_hash(record.previous_hash, key.secret_hash)
        and records.previous_is_good(record, found.now, overlap)
    )


def end_if_copied(key: keys.Key, record: SessionRecord) -> bool:
    """End the session if a key that no longer opens it once did. Return whether it did."""
    was_renewed = record.previous_hash is not None  # since the last sign-in, which changes the family
    if record.transport != COOKIE or not was_renewed or not _is_of_family(key, record):
        return False

    def end() -> None:
        # Not if a sign-in has just given the session another family.
        if get_store().revoke(record.id, record.secret_hash):
            trail.record(events.Kind.COPY_DETECTED, user=record.user_id, session_id=record.id)

    registry.end_for_good(end)
    return True


def is_first_use(key: keys.Key, record: SessionRecord) -> bool:
    """Return whether this key, which opened the session, is the first use of a renewed secret."""
    return records.awaits_first_use(record) and is_current(key, record)


def is_due(key: keys.Key, found: Lookup) -> bool:
    """Return whether the client should get another key than this one, which opened the session."""
    record = found.record
    after = conf.current().rotate_after
    if record.transport != COOKIE or record.user_id is None or (after is None and not record.previous_hash):
        return False
    if not is_current(key, record):
        return records.awaits_first_use(record)
    return records.renewal_due(record, found.now, after) and not keeper()


def renew(key: keys.Key, found: Lookup) -> keys.Key | None:
    """Renew the secret, or find the one that it was renewed to, and return the key to send.

    None if there is none to send: a user signed in or out meanwhile, or a request used the new key.

    Raises:
        StoreUnavailable: the store did not answer. The key in use stays valid.
    """
    first, family = is_current(key, found.record), family_of(key)
    for successor in _successors(key):
        if (first or is_current(successor, found.record)) and get_store().renew(
            key.id, key.secret_hash, successor.secret_hash, family
        ):
            if first:
                trail.record(events.Kind.RENEWED, user=found.record.user_id, session_id=key.id)
            return successor
        if first:
            break
    return None


def _is_of_family(key: keys.Key, record: SessionRecord) -> bool:
    """Return whether the session has the family of this key, hashed with any server key.

    A release that runs beside this one may have stored the plain hash. The next renewal replaces it.
    """
    hashes = [keys.keyed_family(key, server_key) for server_key in server_keys()]
    return any(keys.same_hash(record.family_hash, one) for one in (*hashes, key.family_hash))


def server_keys() -> list[keys.Secret[str | bytes]]:
    """Return ``SECRET_KEY`` and its fallbacks."""
    return list(map(keys.Secret, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)))


def family_of(key: keys.Key) -> bytes:
    """Return what the store gets of the family of a key."""
    return keys.keyed_family(key, keys.Secret(settings.SECRET_KEY))


def keeper() -> str | None:
    """Return the installed application that stores session keys, which keeps renewal off, or None."""
    return next((name for name in KEEPERS if apps.is_installed(name)), None)


def _successors(key: keys.Key) -> Iterator[keys.Key]:
    """Yield what this key is renewed to with each server key, so that a new SECRET_KEY signs nobody out."""
    for server_key in server_keys():
        code = salted_hmac("sessionkeeper.renewal", key.text, secret=server_key.value, algorithm="sha256")
        yield keys.renew(key, keys.Secret(code.digest()))


def follow(old: keys.Secret[str], new: keys.Key) -> None:
    """Replace the key of a session where another application stores it. Failures are logged."""
    for application, (model, field) in KEEPERS.items():
        if apps.is_installed(application):
            context.run_in_database_thread(_replace, model, field, old, new)


def _replace(model: str, field: str, old: keys.Secret[str], new: keys.Key) -> None:
    table = apps.get_model(model)
    alias = router.db_for_write(table)
    try:
        # A failure must not break the transaction that it is in.
        with transaction.atomic(using=alias) if connections[alias].in_atomic_block else nullcontext():
            table._base_manager.using(alias).filter(**{field: old.value}).update(**{field: new.text})
    except DatabaseError:
        log.exception("%s could not be updated, and has the old key of a session.", model)
