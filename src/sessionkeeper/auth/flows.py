"""Log in, log out: the verbs that pages and API share, so that the two cannot drift apart.

Each writes before it returns. A login or logout that the store did not take raises, and is never answered
as if it had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.auth import lockout, mfa
from sessionkeeper.auth.reauthentication import PASSWORD, require_recent
from sessionkeeper.core.errors import (
    InvalidCredentials,
    NoSuchSession,
    NoTransport,
    SessionGone,
    TooManySessions,
)
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import limits, registry
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.factory import get_store

#: Django's ``set_expiry(0)``: the cookie goes when the browser closes.
_BROWSER_CLOSE = 0


@sensitive_variables("credentials")
def log_in(
    request: HttpRequest,
    *,
    credentials: Mapping[str, Any],
    remember: bool | None = None,
    label: str = "",
) -> Any:
    """Sign a user in with ``credentials``, asking all configured backends, and return the user.

    A password alone does not sign in a user with a second factor: check that factor and call
    :func:`complete_log_in`.

    Raises:
        InvalidCredentials: no backend accepts the credentials.
        TooManyTries: too many attempts have failed; the credentials were not checked.
        SecondFactorRequired: the credentials are correct but not enough. Nobody is signed in.
        NoTransport, SessionGone, StoreUnavailable: as :func:`complete_log_in`.
    """
    if request.session.transport != COOKIE:  # type: ignore[attr-defined]
        raise NoTransport
    lockout.begin(request, credentials)
    with translate_errors():
        user = auth.authenticate(request, **credentials)
    if user is None:
        raise InvalidCredentials
    mfa.require_none(user)
    amr = PASSWORD if "password" in credentials else ""
    return complete_log_in(request, user, amr=amr, remember=remember, label=label)


def complete_log_in(
    request: HttpRequest, user: Any, *, amr: str, remember: bool | None = None, label: str = ""
) -> Any:
    """Sign in a user who has proved everything that you require, and return the user.

    ``user`` is what ``authenticate()`` returned, or has the ``backend`` that accepted the credentials.
    ``amr`` names the methods of the proof, separated by spaces (RFC 8176), such as ``"pwd otp"``: never more
    than was proved.

    The session key changes, also when the same user signs in again. The session of another user is ended and
    nothing of it is carried over. ``remember=True`` keeps the cookie until the session's absolute timeout,
    False until the browser closes; with None, ``SESSION_EXPIRE_AT_BROWSER_CLOSE`` decides. ``label`` is a
    name for the session in lists.

    Raises:
        NoTransport: the request has a bearer token, and the response cannot carry another key.
        SessionGone, TooManySessions: the session was ended while this ran; the user has no other left.
        StoreUnavailable: the store did not answer. Nobody is signed in.
    """
    session: Any = request.session
    if session.transport != COOKIE:
        raise NoTransport
    session.set_expiry(None)  # what the last sign-in chose is not this one's choice
    session.client.label = label
    session.client.amr = amr
    with translate_errors():
        auth.login(request, user)
    if remember is not None:
        session.set_expiry(_persistent(request, user) if remember else _BROWSER_CLOSE)
    try:
        session.save()
    except (SessionGone, TooManySessions):
        session.flush()
        request.user = AnonymousUser()
        raise
    return user


def log_out(request: HttpRequest) -> None:
    """End the session of this request, if it has one.

    Raises:
        StoreUnavailable: the store did not answer; the session may still live.
    """
    auth.logout(request)


def revoke(request: HttpRequest, session_id: int) -> None:
    """End one of the signed-in user's own sessions; this one too.

    Raises:
        NoSuchSession: the user has no such session. Another user's looks the same.
        ReauthenticationRequired: it is another session, and the last proof of a credential is old.
        StoreUnavailable: the store did not answer; the session may still live.
    """
    session: Any = request.session
    found = get_store().find(session_id)
    if found is None or found.record.user_id is None or found.record.user_id != request.user.pk:
        raise NoSuchSession
    if session.handle.key is not None and session.handle.key.id == session_id:
        log_out(request)
        return
    require_recent(request)
    registry.revoke(session_id, reason="user", actor=request.user)


def revoke_others(request: HttpRequest) -> int:
    """End all sessions of the signed-in user but this one; return how many.

    Raises:
        ReauthenticationRequired: the last proof of a credential is old.
        StoreUnavailable: the store did not answer; they may still live.
    """
    require_recent(request)
    session: Any = request.session
    this = session.handle.key.id
    return registry.revoke_all(request.user, this, reason="user", actor=request.user)


def revoke_all(request: HttpRequest) -> int:
    """End all sessions of the signed-in user, this one last; return how many.

    Raises:
        ReauthenticationRequired: the last proof of a credential is old.
        StoreUnavailable: the store did not answer; some may still live.
    """
    ended = revoke_others(request)
    log_out(request)
    return ended + 1


def _persistent(request: Any, user: Any) -> Any:
    """Return the ``set_expiry`` value of a cookie that outlives the browser, with the usual timeouts."""
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        return None
    current = limits.in_force(limits.TIMES, user.pk, request)
    return current.idle_seconds or current.absolute
