"""Who a session authenticates: Django's ``get_user``, without its query where the store brought the user.

Where the store could not join (other backends, another database, a ``get_user`` of the project's own),
Django's own function is asked: correct first, one more query.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from hmac import compare_digest
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connections, router
from django.utils.module_loading import import_string

from sessionkeeper.audit import events
from sessionkeeper.core.records import NOT_LOADED
from sessionkeeper.engine import lookup, session_data
from sessionkeeper.engine.exceptions import answering
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import session_auth_hash
from sessionkeeper.stores.database.errors import on_live_connection, translate_errors

_MISSING = object()


def get_user(request: Any) -> Any:
    """Return the user whom ``request.session`` authenticates, or an AnonymousUser.

    A session of a deleted or disabled user, or from before a change of the password, is revoked on sight:
    it stays ended when the user is enabled again (OWASP ASVS 5.0, 7.4.2 and 7.4.3).

    Raises:
        StoreUnavailable: the store, or the database of the users, did not answer.
    """
    session = request.session
    session.accessed = True
    user = _recalled_user(session)
    if user is not None:
        return user
    data = session._session
    user = _joined_user(session, data)
    if user is NOT_LOADED:
        return AnonymousUser() if _names_nobody(session) else _asked_user(request)
    if user is _MISSING:
        return AnonymousUser()
    if user is None:
        _end(session, "user_disabled")
        return AnonymousUser()
    if not _hash_is_current(session, data, user):
        if not _hash_is_fallback(data, user):
            _end(session, "password_changed")
            return AnonymousUser()
        session.cycle_key()
        session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    return user


def _asked_user(request: Any) -> Any:
    """Return whom Django's function finds; where that is nobody, end the session of a disabled user."""
    session, model = request.session, auth.get_user_model()
    connection = connections[router.db_for_read(model)]
    with answering(session), translate_errors():
        user = on_live_connection(connection, auth.get_user, request)
    path = session.get(auth.BACKEND_SESSION_KEY)
    if user.is_authenticated or path not in settings.AUTHENTICATION_BACKENDS:
        return user
    if _is_stock(_backend(path)):
        with answering(session), translate_errors():
            person = model._base_manager.filter(pk=session_data.user_of(session._session)).first()
        if not getattr(person, "is_active", person is not None):
            _end(session, "user_disabled")
    return user


def _end(session: SessionStore, reason: str) -> None:
    session.ending = (events.Kind.REVOKED, reason)
    session.flush()


async def aget_user(request: Any) -> Any:
    """Async form of :func:`get_user`; no thread beyond the one that loads the session."""
    session = request.session
    session.accessed = True
    user = _recalled_user(session)
    if user is not None:
        return user
    data = await session._aget_session()
    user = _joined_user(session, data)
    if user is NOT_LOADED:
        if _names_nobody(session):
            return AnonymousUser()
        try:
            user = await auth.aget_user(request)
        except DatabaseError:  # asked once more, on a connection that is alive
            user = AnonymousUser()
        return user if user.is_authenticated else await sync_to_async(get_user)(request)
    if user is _MISSING:
        return AnonymousUser()
    if user is None or not _hash_is_current(session, data, user):
        return await sync_to_async(get_user)(request)
    return user


def _recalled_user(session: SessionStore) -> Any:
    """Return the user whom the near cache lets in, or None: whatever else it may be, the store has to say."""
    if session.other_cookies or hasattr(session, "_session_cache"):
        return None
    active = session._active
    resolved = lookup.recall(session.session_key, transport=active.transport)
    if resolved is None or session_data.SCOPES_KEY in resolved.data:
        return None
    active.attach(resolved)
    active.from_near_cache = data = resolved.data
    user = _joined_user(session, data)
    if user is NOT_LOADED or user is _MISSING or user is None:
        return None
    return user if _hash_is_current(session, data, user) else None


def _joined_user(session: SessionStore, data: dict[str, Any]) -> Any:
    """Return the user, None for one who is gone or disabled, _MISSING for nobody, UNASKED to ask Django."""
    if auth.SESSION_KEY not in data:
        return _MISSING
    path = data.get(auth.BACKEND_SESSION_KEY, "")
    if path not in settings.AUTHENTICATION_BACKENDS:
        return _MISSING
    found = session._active.found
    if found is None or found.principal is NOT_LOADED:
        return NOT_LOADED
    kind = _backend(path)
    if not _is_stock(kind):
        return NOT_LOADED
    user = found.principal
    if user is None:
        # Either there is no such user, or the data names another one than the column.
        return None if found.record.user_id is not None else NOT_LOADED
    if user._meta.pk.value_to_string(user) != data[auth.SESSION_KEY]:
        return NOT_LOADED
    if kind().user_can_authenticate(user):
        return user
    # Disabled ends the session; another reason of the project's own only refuses this request.
    return _MISSING if getattr(user, "is_active", True) else None


def _names_nobody(session: SessionStore) -> bool:
    """Whether the data names what no user has as a key, which Django's function would raise on."""
    return session_data.user_of(session._session) is None


@lru_cache(maxsize=64)
def _backend(path: str) -> Any:
    return import_string(path)


@lru_cache(maxsize=64)
def _is_stock(backend: Hashable) -> bool:
    """Whether a backend looks users up as Django's ModelBackend does."""
    return all(
        getattr(backend, name, None) is getattr(ModelBackend, name) for name in ("get_user", "aget_user")
    )


def _hash_is_current(session: SessionStore, data: dict[str, Any], user: Any) -> bool:
    if not hasattr(user, "get_session_auth_hash"):
        return True
    return _is_hash(data.get(auth.HASH_SESSION_KEY), _auth_hash(session, user))


def _hash_is_fallback(data: dict[str, Any], user: Any) -> bool:
    """Whether the session is from before a change of ``SECRET_KEY``, in ``SECRET_KEY_FALLBACKS`` since."""
    stored = data.get(auth.HASH_SESSION_KEY)
    return any(_is_hash(stored, fallback) for fallback in user.get_session_auth_fallback_hash())


def _is_hash(stored: Any, expected: str) -> bool:
    return isinstance(stored, str) and stored.isascii() and compare_digest(stored, expected)


def _auth_hash(session: SessionStore, user: Any) -> str:
    """Return the hash that the session must have, also of a user who came without the password."""
    snapshot = getattr(session._active.found, "snapshot", None)
    kept = getattr(snapshot, "auth_hash", None)
    return session_auth_hash.of_user(user) if kept is None else str(kept)
