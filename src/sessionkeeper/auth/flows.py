"""Verify credentials, sign in, reauthenticate, sign out, revoke: what pages, API and your own views call.

Each function writes before it returns. If the store does not take a sign-in or sign-out, it raises.

A password alone never signs in a user with a second factor. The factors themselves belong to other packages:
allauth.mfa and django-otp are asked if they are installed, and so is the function that
``SESSIONKEEPER["SECOND_FACTOR"]`` names. Follows NIST SP 800-63B-4, 5.1 and 5.2, and OWASP ASVS 5.0, 7.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.auth import lockout
from sessionkeeper.core import policy
from sessionkeeper.core.errors import (
    InvalidCredentials,
    NoSuchSession,
    NoTransport,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionGone,
    TooManySessions,
)
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import limits, registry, session_data
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.factory import get_store

#: Django's ``set_expiry(0)``: the cookie goes when the browser closes.
_BROWSER_CLOSE = 0
#: What ``amr`` says of a session that began with a password (RFC 8176).
PASSWORD = "pwd"  # noqa: S105 - the name of a method, not a password
#: Longest password that is hashed at all (as Django's own form; CVE-2013-1443).
LONGEST_PASSWORD = 4096
#: Applications that are asked for a second factor, and the function of each that says whether a user has one.
KNOWN = {
    "allauth.mfa": "allauth.mfa.utils.is_mfa_enabled",
    "django_otp": "django_otp.user_has_device",
}


@sensitive_variables("credentials")
def verify(
    request: HttpRequest,
    credentials: Mapping[str, Any],
    *,
    user: Any = None,
    session_id: int | None = None,
) -> Any:
    """Return the user whom the credentials prove, with the ``backend`` that took them.

    The attempt is counted before a backend looks. With ``user`` the credentials have to be that user's, and
    with ``session_id`` the failures count for that session alone.

    Raises:
        InvalidCredentials: no backend takes them, or they are another user's.
        SecondFactorRequired: they are right, and the user has a second factor.
        TooManyTries: too many have failed; no backend was asked.
        StoreUnavailable: a database did not answer.
    """
    lockout.begin(request, credentials, session_id=session_id)
    with translate_errors():
        proven: Any = auth.authenticate(request, **credentials)
        if proven is None or (user is not None and proven.pk != user.pk):
            raise InvalidCredentials
        if any(import_string(path)(proven) for path in second_factors()):
            trail.record(events.Kind.SECOND_FACTOR_REQUIRED, user=proven)
            raise SecondFactorRequired(proven)
        lockout.succeeded()
    session_data.note_amr(proven, PASSWORD if "password" in credentials else "")
    return proven


def second_factors() -> list[str]:
    """Return the functions that say whether a user has a second factor, as dotted paths."""
    own = conf.current().second_factor
    return [path for app, path in KNOWN.items() if apps.is_installed(app)] + ([own] if own else [])


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
    return complete_log_in(request, user, amr=session_data.noted_amr(user), remember=remember, label=label)


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


def is_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> bool:
    """Return whether the user proved a credential within ``REAUTHENTICATE_AFTER``, or ``within``.

    ``level`` is the number of factors required, each within this time. The server's record of the session
    decides, never what the client says.
    """
    session: Any = request.session
    if auth.SESSION_KEY not in session:
        return False
    active = session._active
    user_id, now = session_data.user_of(session), registry.now() if active.found is None else active.found.now
    if within is None:
        within = limits.in_force(limits.PROOF, user_id, request).reauthenticate_after
    if not (active.proved or active.signing_in):
        found = active.found
        if found is None or session_data.PROOF_IS_VOID in session:
            return False
        if not policy.is_recent(found.record.authenticated_at, now, within):
            return False
    recent = [name for name, at in proofs(request).items() if policy.is_recent(at, now, within)]
    return policy.level_of(" ".join(recent)) >= level


def proofs(request: HttpRequest) -> dict[str, datetime]:
    """Return the methods (RFC 8176) that the signed-in user has used, and when each was last proved.

    Reauthentication adds its methods; a sign-in starts from nothing. Empty for anonymous visitors, and if the
    methods are unknown.
    """
    session: Any = request.session
    if auth.SESSION_KEY not in session:
        return {}
    active = session._active
    if active.proved or active.signing_in:  # in this very request
        now = registry.now()
        return {**session_data.earlier_proofs(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if active.found is None else session_data.proofs_of(active.found.record, session)


def require_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> None:
    """Require a recent proof, of at least ``level`` factors.

    Raises:
        ReauthenticationRequired: the last proof is older, or had fewer factors.
    """
    if not is_recent(request, within, level):
        raise ReauthenticationRequired


@sensitive_variables("credentials")
def reauthenticate(request: HttpRequest, credentials: Mapping[str, Any]) -> None:
    """Check ``credentials`` of the signed-in user, and move the authentication time.

    ``credentials`` are passed to ``authenticate()`` together with the user's own name, as ``username``, like
    Django's login form does. A cookie's key changes. Written at once.

    Raises:
        InvalidCredentials: the credentials are not those of this user.
        SecondFactorRequired: they are, but the user has a second factor. Nothing was written.
        TooManyTries: too many attempts have failed in this session.
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    user, session = request.user, request.session
    credentials = {"username": user.get_username(), **credentials}  # this loads a user who is lazy
    session_id = registry.current_id(request)
    if session_id is None:  # the user is not the session's, but that of a token of another package, say
        raise SessionGone
    proven = verify(request, credentials, user=user, session_id=session_id)
    if hasattr(proven, "get_session_auth_hash"):  # the password may just have got another hash
        session[auth.HASH_SESSION_KEY] = proven.get_session_auth_hash()
    complete_reauthentication(request, amr=session_data.noted_amr(proven))


def complete_reauthentication(request: HttpRequest, *, amr: str) -> None:
    """Record that the signed-in user has proved a credential to your code.

    The authentication time moves, and a cookie's key changes. ``amr`` names the methods of the proof,
    separated by spaces (RFC 8176): never more than was proved. Earlier methods keep their own times. Written
    at once.

    Raises:
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    session: Any = request.session
    if auth.SESSION_KEY not in session:
        raise SessionGone
    session.rotate_key()
    session_data.carry_proofs(proofs(request), session)
    session.client.amr = amr
    session._active.signing_in, session._active.proof = True, events.Kind.STEP_UP
    session.save()


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
