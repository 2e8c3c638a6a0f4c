"""Reauthentication: a password again before a sensitive action (NIST SP 800-63B-4, 5.2; ASVS 5.0, 7.5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib import auth
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.audit import events
from sessionkeeper.auth.credentials import verify
from sessionkeeper.core import policy
from sessionkeeper.core.errors import ReauthenticationRequired, SessionGone
from sessionkeeper.engine import amr as _amr
from sessionkeeper.engine import client_binding, limits, registry, session_data


def is_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> bool:
    """Whether the signed-in user has authenticated within this time (``REAUTHENTICATE_AFTER`` by default).

    With ``level`` by so many factors, each within this time. It goes by the server's record of the session,
    never by what the client says.
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
        if found is None or client_binding.PROOF_IS_VOID in session:
            return False
        if not policy.is_recent(found.record.authenticated_at, now, within):
            return False
    recent = [name for name, at in proofs(request).items() if policy.is_recent(at, now, within)]
    return policy.level_of(" ".join(recent)) >= level


def proofs(request: HttpRequest) -> dict[str, datetime]:
    """Return the methods (RFC 8176) by which the signed-in user has authenticated, and the last time of each.

    Reauthentication adds its methods, a sign-in begins anew. Empty for visitors, and where no method is
    known.
    """
    session: Any = request.session
    if auth.SESSION_KEY not in session:
        return {}
    active = session._active
    if active.proved or active.signing_in:  # in this very request
        now = registry.now()
        return {**_amr.earlier(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if active.found is None else _amr.of(active.found.record, session)


def require_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> None:
    """Refuse to go on unless the user has authenticated recently, by so many factors.

    Raises:
        ReauthenticationRequired: the last authentication is older, or had fewer factors.
    """
    if not is_recent(request, within, level):
        raise ReauthenticationRequired


@sensitive_variables("credentials")
def reauthenticate(request: HttpRequest, credentials: Mapping[str, Any]) -> None:
    """Verify credentials of the signed-in user: the authentication time moves, a cookie's key changes.

    ``credentials`` are given to ``authenticate()`` together with the user's own name, as ``username``: so
    does Django's login form. Written at once.

    Raises:
        InvalidCredentials: they are not this user's.
        SecondFactorRequired: they are, and the user has a second factor. Nothing was written.
        TooManyTries: too many have failed in this session.
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
    complete_reauthentication(request, amr=_amr.noted(proven))


def complete_reauthentication(request: HttpRequest, *, amr: str) -> None:
    """Record that you have reauthenticated the signed-in user: the time moves, a cookie's key changes.

    ``amr`` names the methods, separated by spaces (RFC 8176): never more than were used. Earlier methods keep
    their own time. Written at once.

    Raises:
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    session: Any = request.session
    if auth.SESSION_KEY not in session:
        raise SessionGone
    session.rotate_key()
    _amr.carry(proofs(request), session)
    session.client.amr = amr
    session._active.signing_in, session._active.proof = True, events.Kind.STEP_UP
    session.save()
