"""Reauthentication before a sensitive action (NIST SP 800-63B-4, 5.2; OWASP ASVS 5.0, 7.5)."""

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
        if found is None or client_binding.PROOF_IS_VOID in session:
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
        return {**_amr.earlier(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if active.found is None else _amr.of(active.found.record, session)


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
    complete_reauthentication(request, amr=_amr.noted(proven))


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
    _amr.carry(proofs(request), session)
    session.client.amr = amr
    session._active.signing_in, session._active.proof = True, events.Kind.STEP_UP
    session.save()
