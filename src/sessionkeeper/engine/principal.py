"""The user of a session: Django's ``get_user``, without its query if the store has joined the user.

If the store cannot join (other backends, another database, a backend with its own ``get_user``), Django's
function is called, which costs one more query.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from functools import lru_cache
from hmac import compare_digest
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connections, router
from django.http import HttpRequest
from django.utils.module_loading import import_string

from sessionkeeper.audit import events
from sessionkeeper.core import keys
from sessionkeeper.core.records import COOKIE, KeyStatus
from sessionkeeper.engine import lookup, session_data
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore, noting_outage
from sessionkeeper.http import transports
from sessionkeeper.stores.database import user_query
from sessionkeeper.stores.database.errors import on_live_connection, translate_errors


def get_user(request: HttpRequest, *, in_scope: bool = False) -> Any:
    """Return the user whom ``request.session`` authenticates, or an AnonymousUser: ``request.user``.

    A session of a deleted or disabled user, or from before a change of the password, is revoked at once, and
    stays revoked if the user is enabled again (OWASP ASVS 5.0, 7.4.2 and 7.4.3). A bearer session with scopes
    authenticates nobody, except with ``in_scope``, for callers that check the scopes.

    Raises:
        StoreUnavailable: the store or the users' database did not answer.
    """
    if not in_scope and "_cached_user" in vars(request):
        return vars(request)["_cached_user"]
    session: Any = request.session
    session.accessed = True
    user = _recalled_user(session)
    if user is None:
        data = session._session
        user = _joined_user(session, data)
        if user is None:
            user = _asked_user(request, in_scope=in_scope) if _names_somebody(data) else AnonymousUser()
        elif not _may_sign_in(user, data):
            # A disabled user ends the session; a reason of the project's own only refuses this request.
            is_active = getattr(user, "is_active", True)
            user = AnonymousUser() if is_active else _end(session, "user_disabled")
        elif not _hash_is_current(session, data, user):
            user = _with_older_hash(session, data, user)
    if not in_scope:
        user = vars(request)["_cached_user"] = AnonymousUser() if _is_restricted(session) else user
        _own_csrf_secret(request, user)
    return user


def owns_session(request: HttpRequest) -> bool:
    """Return whether ``request.user`` is signed in, and is the user whom the session names.

    Gates ask this, not the data of the session: that names a user also if the user was disabled, or if the
    session is restricted to scopes.
    """
    user: Any = getattr(request, "user", None)
    return bool(user and user.is_authenticated) and _names(request, user)


def is_swapped(request: HttpRequest) -> bool:
    """Return whether ``request.user`` is signed in, and the session names somebody else.

    Then something has replaced the user, and a proof of one is no proof of the other.
    """
    user: Any = getattr(request, "user", None)
    if not (user and user.is_authenticated) or not isinstance(request.session, SessionStore):
        return False
    return auth.SESSION_KEY in request.session and not _names(request, user)


def _names(request: HttpRequest, user: Any) -> bool:
    session = getattr(request, "session", None)
    return isinstance(session, SessionStore) and session_data.user_of(session._session) == user.pk


def _own_csrf_secret(request: HttpRequest, user: Any) -> None:
    """Give the forms of this response a CSRF secret that names the user, if their secret names nobody."""
    if not hasattr(request, "META"):
        return  # not a request of Django's: it has no forms
    secret = keys.Secret(request.META.get(transports.CSRF_SECRET))
    session = cast("SessionStore", request.session)
    if user.pk is not None and not transports.names_somebody(secret) and session.transport == COOKIE:
        transports.own_csrf_secret(request, user._meta.pk.value_to_string(user))


def _is_restricted(session: SessionStore) -> bool:
    return isinstance(session, BearerSession) and session.scopes is not None


def _with_older_hash(session: SessionStore, data: dict[str, Any], user: Any) -> Any:
    """Return the user if only ``SECRET_KEY`` has changed since the hash was made; else end the session."""
    stored = data.get(auth.HASH_SESSION_KEY)
    if not any(_is_hash(stored, fallback) for fallback in user.get_session_auth_fallback_hash()):
        return _end(session, "password_changed")
    session.renew_hash(user.get_session_auth_hash())
    return user


def _asked_user(request: HttpRequest, *, in_scope: bool) -> Any:
    """Return the user whom Django finds. If there is none, end the session of a disabled user."""
    session: Any = request.session
    model = auth.get_user_model()
    connection = connections[router.db_for_read(model)]
    session.in_scope = in_scope  # else Django does not find the user of a bearer session with scopes
    try:
        with noting_outage(session), translate_errors(), session.keeping_key():
            user = on_live_connection(connection, auth.get_user, request)
    finally:
        session.in_scope = False
    path = session._session.get(auth.BACKEND_SESSION_KEY)
    if user.is_authenticated or path not in settings.AUTHENTICATION_BACKENDS:
        return user
    if _is_stock(_backend(path)):
        with noting_outage(session), translate_errors():
            person = model._base_manager.filter(pk=session_data.user_of(session._session)).first()
        if not getattr(person, "is_active", person is not None):
            _end(session, "user_disabled")
    return user


def _end(session: SessionStore, reason: str) -> AnonymousUser:
    session.ending = (events.Kind.REVOKED, reason)
    session.flush()
    return AnonymousUser()


async def aget_user(request: HttpRequest) -> Any:
    """Async form of :func:`get_user`. It takes no thread except to load the session."""
    if "_acached_user" in vars(request):
        return vars(request)["_acached_user"]
    session: Any = request.session
    session.accessed = True
    user = _recalled_user(session)
    if user is None:
        data = await session._aget_session()
        user = _joined_user(session, data)
        if user is None:
            user = await _aasked_user(request) if _names_somebody(data) else AnonymousUser()
        elif not (_may_sign_in(user, data) and _hash_is_current(session, data, user)):
            user = await sync_to_async(get_user)(request, in_scope=True)
    user = vars(request)["_acached_user"] = AnonymousUser() if _is_restricted(session) else user
    _own_csrf_secret(request, user)
    return user


async def _aasked_user(request: HttpRequest) -> Any:
    session: Any = request.session
    with suppress(DatabaseError), session.keeping_key():  # ask again, on a live connection
        user = await auth.aget_user(request)
        if user.is_authenticated:
            return user
    return await sync_to_async(get_user)(request, in_scope=True)


def _recalled_user(session: SessionStore) -> Any:
    """Return the user whom the near cache lets in; None if the store has to be asked."""
    if session.held is None or session.other_cookies or hasattr(session, "_session_cache"):
        return None
    active = session._active
    found = lookup.recall(session.held, transport=active.transport)
    if found is None or session_data.SCOPES_KEY in found.data:
        return None
    active.attach(KeyStatus.LIVE, found)
    active.from_near_cache = data = found.data
    user = _joined_user(session, data)
    if user is None or not _may_sign_in(user, data):
        return None
    return user if _hash_is_current(session, data, user) else None


def _names_somebody(data: dict[str, Any]) -> bool:
    """Return whether the data names a user whom Django's function could find."""
    return (
        data.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and session_data.user_of(data) is not None
    )


def _joined_user(session: SessionStore, data: dict[str, Any]) -> Any:
    """Return the user whom the store joined; None if Django has to be asked."""
    found, path = session._active.found, data.get(auth.BACKEND_SESSION_KEY, "")
    user = None if found is None else found.principal
    if user is None or path not in settings.AUTHENTICATION_BACKENDS or not _is_stock(_backend(path)):
        return None
    # The data may name another user than the column does, or none.
    return user if user._meta.pk.value_to_string(user) == data.get(auth.SESSION_KEY) else None


def _may_sign_in(user: Any, data: dict[str, Any]) -> bool:
    return bool(_backend(data[auth.BACKEND_SESSION_KEY])().user_can_authenticate(user))


@lru_cache(maxsize=64)
def _backend(path: str) -> Any:
    return import_string(path)


@lru_cache(maxsize=64)
def _is_stock(backend: Hashable) -> bool:
    """Return whether a backend finds users as Django's ModelBackend does."""
    return all(
        getattr(backend, name, None) is getattr(ModelBackend, name) for name in ("get_user", "aget_user")
    )


def _hash_is_current(session: SessionStore, data: dict[str, Any], user: Any) -> bool:
    if not hasattr(user, "get_session_auth_hash"):
        return True
    return _is_hash(data.get(auth.HASH_SESSION_KEY), _auth_hash(session, user))


def _is_hash(stored: Any, expected: str) -> bool:
    return isinstance(stored, str) and stored.isascii() and compare_digest(stored, expected)


def _auth_hash(session: SessionStore, user: Any) -> str:
    """Return the hash that the session must have, also for a user loaded without the password."""
    found = session._active.found
    kept = None if found is None or found.snapshot is None else found.snapshot.auth_hash
    return user_query.session_auth_hash(user) if kept is None else str(kept)
