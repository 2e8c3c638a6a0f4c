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
from sessionkeeper.engine import lookup, session_data
from sessionkeeper.engine.exceptions import answering
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import session_auth_hash
from sessionkeeper.stores.database.errors import on_live_connection, translate_errors


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
    if user is None:
        return _asked_user(request) if _names_somebody(data) else AnonymousUser()
    if not _may_sign_in(user, data):
        # Disabled ends the session; another reason of the project's own only refuses this request.
        if not getattr(user, "is_active", True):
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
    if user is None:
        if not _names_somebody(data):
            return AnonymousUser()
        try:
            user = await auth.aget_user(request)
        except DatabaseError:  # asked once more, on a connection that is alive
            user = AnonymousUser()
        return user if user.is_authenticated else await sync_to_async(get_user)(request)
    if not (_may_sign_in(user, data) and _hash_is_current(session, data, user)):
        return await sync_to_async(get_user)(request)
    return user


def _recalled_user(session: SessionStore) -> Any:
    """Return the user whom the near cache lets in, or None: whatever else it may be, the store has to say."""
    if session.rivals or hasattr(session, "_session_cache"):
        return None
    handle = session.handle
    found = lookup.recall(session.session_key, transport=handle.transport)
    if found is None or session_data.SCOPES_KEY in found.data:
        return None
    handle.hold(found)
    handle.recalled = data = found.data
    user = _joined_user(session, data)
    if user is None or not _may_sign_in(user, data):
        return None
    return user if _hash_is_current(session, data, user) else None


def _names_somebody(data: dict[str, Any]) -> bool:
    """Whether the session is of a user: whom Django's function could find by what the data holds."""
    return (
        data.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and session_data.user_of(data) is not None
    )


def _joined_user(session: SessionStore, data: dict[str, Any]) -> Any:
    """Return the user whom the store brought with the session; None: Django has to be asked."""
    found, path = session.handle.found, data.get(auth.BACKEND_SESSION_KEY, "")
    user = None if found is None else found.principal
    if user is None or path not in settings.AUTHENTICATION_BACKENDS or not _is_stock(_backend(path)):
        return None
    # The data may name another user than the column, or nobody.
    return user if user._meta.pk.value_to_string(user) == data.get(auth.SESSION_KEY) else None


def _may_sign_in(user: Any, data: dict[str, Any]) -> bool:
    return bool(_backend(data[auth.BACKEND_SESSION_KEY])().user_can_authenticate(user))


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
    found = session.handle.found
    kept = None if found is None or found.snapshot is None else found.snapshot.auth_hash
    return session_auth_hash.of_user(user) if kept is None else str(kept)
