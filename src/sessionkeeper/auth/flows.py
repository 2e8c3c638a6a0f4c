"""Sign in, sign out, revoke: the verbs that pages and API share, so that the two cannot drift apart.

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

from sessionkeeper.auth.credentials import verify
from sessionkeeper.auth.reauthentication import require_recent
from sessionkeeper.core.errors import (
    NoSuchSession,
    NoTransport,
    SessionGone,
    TooManySessions,
)
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import limits, registry
from sessionkeeper.engine.amr import noted
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
    """Sign a user in with ``credentials``, which all configured backends are asked for, and return the user.

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
    user = verify(request, credentials)
    return complete_log_in(request, user, amr=noted(user), remember=remember, label=label)


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
        ReauthenticationRequired: it is another session, and the user has not authenticated recently.
        StoreUnavailable: the store did not answer; the session may still live.
    """
    found = get_store().find(session_id)
    if found is None or found.record.user_id is None or found.record.user_id != request.user.pk:
        raise NoSuchSession
    if registry.current_id(request) == session_id:
        log_out(request)
        return
    require_recent(request)
    registry.revoke(session_id, reason="user", actor=request.user)


def revoke_others(request: HttpRequest) -> int:
    """End all sessions of the signed-in user but this one; return how many.

    Raises:
        ReauthenticationRequired: the user has not authenticated recently.
        StoreUnavailable: the store did not answer; they may still live.
    """
    require_recent(request)
    this = registry.current_id(request)
    return registry.revoke_all(request.user, this, reason="user", actor=request.user)


def revoke_all(request: HttpRequest) -> int:
    """End all sessions of the signed-in user, this one last; return how many.

    Raises:
        ReauthenticationRequired: the user has not authenticated recently.
        StoreUnavailable: the store did not answer; some may still live.
    """
    ended = revoke_others(request)
    log_out(request)
    return ended + 1


def _persistent(request: HttpRequest, user: Any) -> Any:
    """Return the ``set_expiry`` value of a cookie that outlives the browser, with the usual timeouts."""
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        return None
    current = limits.in_force(limits.TIMES, user.pk, request)
    return current.idle_seconds or current.absolute
