"""Reauthentication before a sensitive action (NIST SP 800-63B-4, 5.2; OWASP ASVS 5.0, 7.5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import auth
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.audit import events
from sessionkeeper.auth import lockout, mfa
from sessionkeeper.core import policy
from sessionkeeper.core.errors import InvalidCredentials, ReauthenticationRequired, SessionGone
from sessionkeeper.engine import amr as _amr
from sessionkeeper.engine import client_binding, limits, registry, session_data
from sessionkeeper.stores.database.errors import translate_errors

#: What ``amr`` says of a session that began with a password (RFC 8176).
PASSWORD = "pwd"  # noqa: S105 - the name of a method, not a password


def is_recent(request: Any, within: timedelta | None = None, level: int = 0) -> bool:
    """Return whether the user proved a credential within ``REAUTHENTICATE_AFTER``, or ``within``.

    ``level`` is the number of factors required, each within this time. The server's record of the session
    decides, never what the client says.
    """
    session = request.session
    if auth.SESSION_KEY not in session:
        return False
    handle = session.handle
    user_id, now = session_data.user_of(session), registry.now() if handle.found is None else handle.found.now
    if within is None:
        within = limits.in_force(limits.PROOF, user_id, request).reauthenticate_after
    if not (handle.proved or handle.signing_in):
        found = handle.found
        if found is None or client_binding.PROOF_IS_VOID in session:
            return False
        if not policy.is_recent(found.record.authenticated_at, now, within):
            return False
    recent = [name for name, at in proofs(request).items() if policy.is_recent(at, now, within)]
    return policy.level_of(" ".join(recent)) >= level


def proofs(request: Any) -> dict[str, datetime]:
    """Return the methods (RFC 8176) that the signed-in user has used, and when each was last proved.

    Reauthentication adds its methods; a sign-in starts from nothing. Empty for anonymous visitors, and if the
    methods are unknown.
    """
    session = request.session
    if auth.SESSION_KEY not in session:
        return {}
    handle = session.handle
    if handle.proved or handle.signing_in:  # in this very request
        now = registry.now()
        return {**_amr.earlier(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if handle.found is None else _amr.of(handle.found.record, session)


def require_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> None:
    """Require a recent proof, of at least ``level`` factors.

    Raises:
        ReauthenticationRequired: the last proof is older, or had fewer factors.
    """
    if not is_recent(request, within, level):
        raise ReauthenticationRequired


@sensitive_variables("credentials")
def reauthenticate(request: Any, credentials: dict[str, Any]) -> None:
    """Check ``credentials`` of the signed-in user, and move the authentication time.

    ``credentials`` are passed to ``authenticate()`` together with the user's own name, as ``username``, like
    Django's login form does. A cookie's key changes. Written at once.

    Raises:
        InvalidCredentials: the credentials are not those of this user.
        SecondFactorRequired: they are, but the user has a second factor. Nothing was written.
        TooManyTries: too many attempts have failed in this session.
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    user = request.user
    credentials = {"username": user.get_username(), **credentials}  # this loads a user who is lazy
    key = request.session.handle.key
    if key is None:  # somebody else than the session names the user, such as a token of another package
        raise SessionGone
    # A count for each session: strangers who guess at the account lock nobody out of one that is under way.
    lockout.begin(request, credentials, proof=f"session {key.id}")
    with translate_errors():
        proven: Any = auth.authenticate(request, **credentials)
    if proven is None or proven.pk != user.pk:
        raise InvalidCredentials
    mfa.require_none(proven)
    lockout.succeeded()
    if hasattr(proven, "get_session_auth_hash"):  # the password may just have got another hash
        request.session[auth.HASH_SESSION_KEY] = proven.get_session_auth_hash()
    complete_reauthentication(request, amr=PASSWORD if "password" in credentials else "")


def complete_reauthentication(request: Any, *, amr: str) -> None:
    """Record that the signed-in user has proved a credential to your code.

    The authentication time moves, and a cookie's key changes. ``amr`` names the methods of the proof,
    separated by spaces (RFC 8176): never more than was proved. Earlier methods keep their own times. Written
    at once.

    Raises:
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    session = request.session
    if auth.SESSION_KEY not in session:
        raise SessionGone
    session.renew_key()
    _amr.carry(proofs(request), session)
    session.client.amr = amr
    session.handle.signing_in, session.handle.proof = True, events.Kind.STEP_UP
    session.save()
