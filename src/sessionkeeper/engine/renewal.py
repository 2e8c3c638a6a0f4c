"""Periodic renewal of the key in a cookie, and the copies that it brings to light (OWASP ASVS 5.0, 10.4.5).

Every ``ROTATE_AFTER`` the client is given another secret, which is derived from the one it has: requests that
run side by side, and one that asks again because the answer was lost, are given the same. The family stays.

The secret before is good until a request has come with the new one, and ``ROTATE_OVERLAP`` longer for those
that were on their way. Whoever comes with an old secret of the family after that has a copy, or had one made:
which of the two is the owner cannot be told, so the session ends. Who knows the id alone, or anything else
than a secret that the session once had, ends nothing.
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
from sessionkeeper.core import greenlets, keys, policy
from sessionkeeper.core.records import COOKIE
from sessionkeeper.stores.factory import get_store

if TYPE_CHECKING:
    from sessionkeeper.core.records import Lookup, SessionRecord

#: Applications that keep session keys of their own accord, and the model and the field that do. They follow a
#: rotation, and keep renewal off, since they would lose sight of a session each time.
KEEPERS = {"allauth.usersessions": ("usersessions.UserSession", "session_key")}

log = logging.getLogger("sessionkeeper.security")


def is_current(key: keys.Key, record: SessionRecord) -> bool:
    """Whether the key has the session's secret of now."""
    return keys.same_hash(record.secret_hash, key.secret_hash)


def is_good(key: keys.Key, found: Lookup) -> bool:
    """Whether the key opens the session: by its secret of now, or by the one before while that is good."""
    record = found.record
    if is_current(key, record):
        return True
    overlap = conf.current().rotate_overlap
    return (
        record.previous_hash is not None
        and keys.same_hash(record.previous_hash, key.secret_hash)
        and policy.previous_is_good(record, found.now, overlap)
    )


def end_if_copied(key: keys.Key, record: SessionRecord) -> bool:
    """End the session if a key that opens it no more is one that it once had. Return whether it is."""
    if record.transport != COOKIE or not keys.same_hash(record.family_hash, key.family_hash):
        return False
    # Not if somebody signs in this very moment, which gives the session another family.
    if get_store().revoke(record.id, record.secret_hash):
        trail.record(events.Kind.COPY_DETECTED, user=record.user_id, session_id=record.id)
    return True


def is_first_use(key: keys.Key, record: SessionRecord) -> bool:
    """Whether a request with this key, which opened the session, is the first with a renewed secret."""
    return policy.awaits_first_use(record) and is_current(key, record)


def is_due(key: keys.Key, found: Lookup) -> bool:
    """Whether the client should be given another key than this one, which opened the session."""
    record = found.record
    after = conf.current().rotate_after
    if record.transport != COOKIE or record.user_id is None or (after is None and not record.previous_hash):
        return False
    if not is_current(key, record):
        return policy.awaits_first_use(record)
    return policy.renewal_due(record, found.now, after) and not keeper()


def renew(key: keys.Key, found: Lookup) -> keys.Key | None:
    """Renew the secret, or find the one that it was renewed to, and return the key to hand out.

    None when there is none to hand out any more: somebody signed in or out, or came with the new one.

    Raises:
        StoreUnavailable: the store did not answer. The key in use stays good.
    """
    first = is_current(key, found.record)
    for successor in _successors(key):
        if (first or is_current(successor, found.record)) and get_store().renew(
            key.id, key.secret_hash, successor.secret_hash
        ):
            if first:
                trail.record(events.Kind.RENEWED, user=found.record.user_id, session_id=key.id)
            return successor
        if first:
            break
    return None


def keeper() -> str | None:
    """Return the installed application that keeps session keys itself, which keeps renewal off."""
    return next((name for name in KEEPERS if apps.is_installed(name)), None)


def _successors(key: keys.Key) -> Iterator[keys.Key]:
    """Yield what this key is renewed to, by each server key: so a change of SECRET_KEY signs nobody out."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        code = salted_hmac("sessionkeeper.renewal", key.text, secret=secret, algorithm="sha256")
        yield keys.renew(key, code.digest())


def follow(old: str, new: str) -> None:
    """Write the new key of a session where another application has the old one. Best effort."""
    for application, (model, field) in KEEPERS.items():
        if apps.is_installed(application):
            greenlets.run_in_database_thread(_replace, model, field, old, new)


def _replace(model: str, field: str, old: str, new: str) -> None:
    table = apps.get_model(model)
    alias = router.db_for_write(table)
    try:
        # A failure must not break the transaction that it is in.
        with transaction.atomic(using=alias) if connections[alias].in_atomic_block else nullcontext():
            table._base_manager.using(alias).filter(**{field: old}).update(**{field: new})
    except DatabaseError:
        log.exception("%s keeps the key that a session had before.", model)
