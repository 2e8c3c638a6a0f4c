"""Step-up: a fresh proof before a sensitive action (NIST SP 800-63B-4, 5.2; OWASP ASVS 5.0, 7.5)."""

from __future__ import annotations

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


def is_recent(request: Any, within: timedelta | None = None, level: int = 0) -> bool:
    """Whether the signed-in user proved a credential within this time (``REAUTHENTICATE_AFTER``).

    With ``level`` so many factors, each within this time. All are the server's record of the session, never
    what the client says.
    """
    session = request.session
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


def proofs(request: Any) -> dict[str, datetime]:
    """Return the methods (RFC 8176) by which the signed-in user is known, and when each was last proved.

    A step-up adds its methods, a sign-in begins anew. Empty for visitors, and where nobody said how.
    """
    session = request.session
    if auth.SESSION_KEY not in session:
        return {}
    active = session._active
    if active.proved or active.signing_in:  # in this very request
        now = registry.now()
        return {**_amr.earlier(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if active.found is None else _amr.of(active.found.record, session)


def require_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> None:
    """Refuse to go on without a recent proof, of so many factors.

    Raises:
        ReauthenticationRequired: the last proof is older, or had fewer.
    """
    if not is_recent(request, within, level):
        raise ReauthenticationRequired


@sensitive_variables("credentials")
def reauthenticate(request: Any, credentials: dict[str, Any]) -> None:
    """Take a fresh proof of the signed-in user: the authentication time moves, a cookie's key changes.

    ``credentials`` are given to ``authenticate()`` together with the user's own name, as ``username``: so
    does Django's login form. Written at once.

    Raises:
        InvalidCredentials: they do not prove this user.
        SecondFactorRequired: they do, and the user has a second factor. Nothing was written.
        TooManyTries: too many have failed in this session.
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    user = request.user
    credentials = {"username": user.get_username(), **credentials}  # this loads a user who is lazy
    session_id = registry.current_id(request)
    if (
        session_id is None
    ):  # somebody else than the session names the user, such as a token of another package
        raise SessionGone
    proven = verify(request, credentials, user=user, session_id=session_id)
    if hasattr(proven, "get_session_auth_hash"):  # the password may just have got another hash
        request.session[auth.HASH_SESSION_KEY] = proven.get_session_auth_hash()
    complete_reauthentication(request, amr=_amr.noted(proven))


def complete_reauthentication(request: Any, *, amr: str) -> None:
    """Take note of a proof that you took of the signed-in user: the time moves, a cookie's key changes.

    ``amr`` names its methods, separated by spaces (RFC 8176): never more than was proved. What was proved
    before keeps its own time. Written at once.

    Raises:
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    session = request.session
    if auth.SESSION_KEY not in session:
        raise SessionGone
    session.rotate_key()
    _amr.carry(proofs(request), session)
    session.client.amr = amr
    session._active.signing_in, session._active.proof = True, events.Kind.STEP_UP
    session.save()
