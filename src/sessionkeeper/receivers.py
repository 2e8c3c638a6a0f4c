"""Ends a user's sessions when the user is disabled, deleted, or gets another password.

A session must stay ended when the user is enabled again (OWASP ASVS 5.0, 7.4.2), and a new password ends the
sessions of the old one (7.4.3). What signals cannot tell (``QuerySet.update()``, raw SQL) is found on sight,
when such a session is next used: see :mod:`sessionkeeper.principal`.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.core.signals import request_finished, request_started, setting_changed
from django.db.models.signals import post_delete, post_save
from django.utils.crypto import constant_time_compare

from sessionkeeper import audit, current, lockout, sessions
from sessionkeeper.engine import SessionStore
from sessionkeeper.errors import CorruptPayload
from sessionkeeper.record import SessionRecord
from sessionkeeper.stores import codec, get_store, user_columns, user_keys

_REBUILD_AFTER = {"AUTH_USER_MODEL", "DATABASES", "DATABASE_ROUTERS", "INSTALLED_APPS", "TIME_ZONE", "USE_TZ"}


def connect() -> None:
    """Connect all receivers; called once, when the applications are ready."""
    _watch_users()
    request_started.connect(_begin_request, dispatch_uid="sessionkeeper.request_started")
    request_finished.connect(_end_request, dispatch_uid="sessionkeeper.request_finished")
    setting_changed.connect(_rebuild, dispatch_uid="sessionkeeper.statements")


def _watch_users() -> None:
    """Connect to the user model, its proxies, children and parents.

    Never to all senders: a listener for every model would take the fast path from every bulk delete.
    """
    user_model = user_keys.user_model()
    for model in apps.get_models() if user_model is not None else ():
        if issubclass(model, user_model) or model in user_model._meta.get_parent_list():
            post_save.connect(_user_saved, sender=model, dispatch_uid=("sessionkeeper.user_saved", model))
            post_delete.connect(
                _user_deleted, sender=model, dispatch_uid=("sessionkeeper.user_deleted", model)
            )


def _user_saved(
    sender: type,
    instance: Any,
    created: bool,
    raw: bool = False,
    update_fields: Collection[str] | None = None,
    **_: Any,
) -> None:
    if created or not _is_user(sender):
        return
    _tell_store(sender, instance)
    if raw:
        return
    if update_fields is not None and not {"is_active", "password"} & set(update_fields):
        return  # a login moves last_login: it ends nothing and must not cost a query
    if (
        getattr(instance, "_password", None) is not None
    ):  # Django's note of set_password(), until save() is over
        audit.record(audit.Kind.PASSWORD_CHANGED, user=instance)
        lockout.lift_user(instance, reason="password")
    if not getattr(instance, "is_active", True):
        _revoke_all(instance, "user_disabled")
        return
    if hasattr(instance, "get_session_auth_hash"):
        _revoke_older(instance)


def _revoke_older(user: Any) -> None:
    """End the sessions that began under another password, but spare the one that this request is in.

    The session in which a user changes the password is given the new hash right after, by Django's
    ``update_session_auth_hash``; without that it is refused at its next request like all others.
    """
    valid = [user.get_session_auth_hash(), *_fallbacks(user)]
    this = current.get().session_id
    older = ((one.id, user.pk) for one in sessions.walk(user) if one.id != this and not _matches(one, valid))
    sessions.revoke_many(older, reason="password_changed")


def _fallbacks(user: Any) -> list[str]:
    fallbacks = getattr(user, "get_session_auth_fallback_hash", None)
    return list(fallbacks()) if fallbacks is not None else []


def _matches(record: SessionRecord, valid: list[str]) -> bool:
    try:
        stored = str(codec.decode(record.data).get(HASH_SESSION_KEY, ""))
    except CorruptPayload:
        return False
    return any(constant_time_compare(stored, one) for one in valid)


def _user_deleted(sender: type, instance: Any, **_: Any) -> None:
    if _is_user(sender):
        _tell_store(sender, instance)
        _revoke_all(instance, "user_deleted")


def _tell_store(sender: type, instance: Any) -> None:
    """Let all processes forget what they remember of a user, and drop what is kept, whatever was saved."""
    tell = getattr(get_store(), "user_changed", None)
    if tell is not None:
        # The row of a parent model may have another key than the user.
        tell(instance.pk if issubclass(sender, user_keys.user_model()) else None)


def _revoke_all(user: Any, reason: str) -> None:
    sessions.revoke_all(user.pk, reason=reason)


def _is_user(sender: type) -> bool:
    """Whether sessions of this engine belong to instances of ``sender``."""
    model = user_keys.user_model()
    if not (user_keys.fit() and _is_our_engine()):
        return False
    return issubclass(sender, model) or sender in model._meta.get_parent_list()


def _is_our_engine() -> bool:
    try:
        return issubclass(import_module(settings.SESSION_ENGINE).SessionStore, SessionStore)
    except (ImportError, AttributeError):
        return False  # whoever opens a session is told


def _begin_request(**_: Any) -> None:
    current.begin()


def _end_request(**_: Any) -> None:
    current.end()


def _rebuild(*, setting: str, **_: Any) -> None:
    if setting in _REBUILD_AFTER:
        user_columns.drop_statements()
    if setting == "AUTH_USER_MODEL":
        _watch_users()
