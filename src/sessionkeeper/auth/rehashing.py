"""Keeps a user's sessions when the same password is hashed anew, with another hasher or more iterations.

Django saves the new hash while it checks the password. The session auth hash depends on it, so the user's
other sessions would end, and of two sign-ins at once the first one too. A password that another request has
changed meanwhile would come back.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.hashers import check_password
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.crypto import constant_time_compare

from sessionkeeper.core.errors import CorruptPayload, SessionGone, StaleSession
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import SessionPatch, SessionRecord, is_live
from sessionkeeper.engine import registry
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_store

#: Attempts to write, of the password and of each session. Each failure means that another request succeeded.
_TRIES = 3


def replace(user: Any, password: Secret[str], alias: str) -> None:
    """Write the new hash in ``user.password``, and keep the sessions that the one before it let in.

    If another request has hashed the password anew, ``user`` gets its hash.

    Raises:
        PermissionDenied: ``password`` is not the user's any more.
    """
    rows = user._meta.model._base_manager.using(alias).filter(pk=user.pk)
    for _ in range(_TRIES):
        before = rows.values_list("password", flat=True).first()
        if not _is_outdated(before, password):
            user.password = before
            return
        with transaction.atomic(using=alias):
            if rows.filter(password=before).update(password=user.password):
                _carry_over(user, before)
                return
    raise PermissionDenied


def _is_outdated(encoded: str | None, password: Secret[str]) -> bool:
    """Return whether Django would hash the password anew. Raises PermissionDenied for another password."""
    outdated = False

    def note(_: str) -> None:
        nonlocal outdated
        outdated = True

    if encoded is None or not check_password(password.value, encoded, note):
        raise PermissionDenied
    return outdated


def valid_hashes(user: Any) -> list[str]:
    """Return the session auth hashes that let a user in, the current one first."""
    return [user.get_session_auth_hash(), *getattr(user, "get_session_auth_fallback_hash", tuple)()]


def has_hash(record: SessionRecord, hashes: list[str]) -> bool:
    """Return whether a session has one of these session auth hashes."""
    try:
        stored = str(codec.decode(record.data).get(HASH_SESSION_KEY, ""))
    except CorruptPayload:
        return False
    return any(constant_time_compare(stored, one) for one in hashes)


def _carry_over(user: Any, before: str) -> None:
    if not hasattr(user, "get_session_auth_hash"):
        return
    earlier = copy(user)
    earlier.password = before
    hashes, now = valid_hashes(earlier), registry.now()
    patch = SessionPatch(patch=codec.encode({HASH_SESSION_KEY: user.get_session_auth_hash()}))
    for record in registry.walk(user):
        if is_live(record, now):
            _rewrite(record, hashes, patch)


def _rewrite(record: SessionRecord | None, hashes: list[str], patch: SessionPatch) -> None:
    for _ in range(_TRIES):
        if record is None or not has_hash(record, hashes):
            return
        try:
            get_store().merge(record.id, record.secret_hash, patch, record)
        except SessionGone:
            return
        except StaleSession:  # its key was changed meanwhile
            found = get_store().find(record.id)
            record = None if found is None else found.record
        else:
            return
