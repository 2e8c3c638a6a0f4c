"""Signs in, issues tokens, reauthenticates, signs out and revokes, for pages, API and your own views.

Each function writes before it returns. If the store does not take a sign-in or sign-out, it raises.

A password alone never signs in a user with a second factor. The factors themselves belong to other packages:
allauth.mfa and django-otp are asked if they are installed, and so is the function that
``SESSIONKEEPER["SECOND_FACTOR"]`` names. Follows NIST SP 800-63B-4, 5.1 and 5.2, and OWASP ASVS 5.0, 7.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.auth import lockout
from sessionkeeper.core import context, keys, records
from sessionkeeper.core.errors import (
    InvalidCredentials,
    NoSuchSession,
    NoTransport,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionGone,
    TooManySessions,
    UserMismatch,
)
from sessionkeeper.core.keys import Key, Secret
from sessionkeeper.core.records import COOKIE, SessionRecord
from sessionkeeper.engine import principal, registry, session_data, users
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.factory import get_store

#: The ``amr`` of a sign-in with a password (RFC 8176).
PASSWORD = "pwd"  # noqa: S105 - the name of a method, not a password
#: The longest password that is hashed, as in Django's forms (CVE-2013-1443).
LONGEST_PASSWORD = 4096
#: Applications with second factors, and the function of each that tells whether a user has one.
KNOWN = {
    "allauth.mfa": "allauth.mfa.utils.is_mfa_enabled",
    "django_otp": "django_otp.user_has_device",
}
# In these, Django notes that the response has to set its CSRF cookie.
_CSRF_NOTES = ("CSRF_COOKIE", "CSRF_COOKIE_NEEDS_UPDATE")


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A token, which is not stored, and the session that it opens.

    It has ``token``, ``session_id``, ``user``, ``scopes`` and ``record``.
    """

    key: Key
    user: Any
    scopes: list[str] | None
    record: SessionRecord

    @property
    def token(self) -> str:
        """The token, for the client. Give it no name of its own: error reports contain local variables."""
        return keys.to_bearer(self.key)

    @property
    def session_id(self) -> int:
        """The id of the session, which is no secret."""
        return self.key.id

    def __repr__(self) -> str:
        return f"<Issued token of session {keys.encode_id(self.session_id)}>"


def verify(
    request: HttpRequest,
    credentials: Mapping[str, Any] | Secret[Mapping[str, Any]],
    *,
    user: Any = None,
    session_id: int | None = None,
) -> Any:
    """Return the user with these credentials, with the ``backend`` that accepted them.

    The attempt is counted before a backend is asked. With ``user``, the credentials must be that user's;
    another's count as wrong. With ``session_id``, the failures count for that session only.

    Raises:
        InvalidCredentials: no backend accepts the credentials, or they are another user's.
        SecondFactorRequired: they are correct, but the user has a second factor.
        TooManyTries: too many attempts have failed; no backend was asked.
        StoreUnavailable: a database did not answer.
    """
    proven = _proven(request, Secret.of(credentials), user, session_id)
    lockout.release()
    return proven


def _proven(
    request: HttpRequest,
    credentials: Secret[Mapping[str, Any]],
    user: Any = None,
    session_id: int | None = None,
) -> Any:
    """As :func:`verify`, but leave it to the caller to release what the success forgives."""
    lockout.begin(request, users.masked(credentials), user=user, session_id=session_id)
    lockout.hold()
    with translate_errors():
        with lockout.checking(Secret(credentials.value.get("password"))):
            proven: Any = auth.authenticate(request, **credentials.value)
        if proven is not None and user is not None and proven.pk != user.pk:
            # As authenticate() does for a wrong password, so that the two cannot be told apart.
            hidden = {**users.masked(credentials), "password": ""}
            user_login_failed.send(sender=__name__, credentials=hidden, request=request)
            proven = None
        if proven is None:
            raise InvalidCredentials
        if any(import_string(path)(proven) for path in second_factors()):
            lockout.release()
            trail.record(events.Kind.SECOND_FACTOR_REQUIRED, user=proven)
            raise SecondFactorRequired(proven)
        lockout.succeeded(proven)
    session_data.note_amr(proven, PASSWORD if "password" in credentials.value else "")
    return proven


@contextmanager
def _at_once() -> Iterator[None]:
    """Let all that a success writes be one transaction, if one database has the sessions and the trail.

    It begins with a write, since SQLite lets no transaction write that has read before another one wrote. It
    ends with the counts of attempts: one of them is of a whole network, whose other sign-ins wait meanwhile.
    Inside a transaction of the project, that one decides.
    """
    alias = get_store().alias
    is_own = alias is not None and alias == trail.database() and not context.can_roll_back(alias)
    with translate_errors(), transaction.atomic(using=alias) if is_own else nullcontext():
        yield
        lockout.release(is_own=is_own)


def second_factors() -> list[str]:
    """Return the dotted paths of the functions that tell whether a user has a second factor."""
    own = conf.current().second_factor
    return [path for app, path in KNOWN.items() if apps.is_installed(app)] + ([own] if own else [])


def log_in(
    request: HttpRequest,
    *,
    credentials: Mapping[str, Any] | Secret[Mapping[str, Any]],
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
    credentials = Secret.of(credentials)
    if request.session.transport != COOKIE:  # type: ignore[attr-defined]
        raise NoTransport
    user = _proven(request, credentials)
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
    session.set_expiry(None)  # not the choice of the last sign-in
    session.client.label = label
    session.client.amr = amr
    try:
        with _at_once():
            auth.login(request, user)
            if remember is not None:
                session.set_expiry(_persistent(request, user) if remember else 0)  # until the browser closes
            session.save()
    except (SessionGone, TooManySessions):
        session.flush()
        request.user = AnonymousUser()
        raise
    return user


def issue_token(
    request: HttpRequest,
    *,
    credentials: Mapping[str, Any] | Secret[Mapping[str, Any]],
    label: str = "",
    scopes: Sequence[str] | None = None,
) -> Issued:
    """Begin a bearer session for the user with ``credentials`` and return its token.

    The request's own session is neither read nor changed, and no cookie is set. ``label`` is a name for the
    session in lists. With ``scopes``, the session opens only views that require some of them; None does not
    restrict it. ``user_logged_in`` is sent; its receivers find the new session in ``request.session``.

    Raises:
        InvalidCredentials: no backend accepts the credentials.
        SecondFactorRequired: they are correct, but the user has a second factor. There is no token.
        TooManyTries: too many attempts have failed; the credentials were not checked.
        TooManySessions: the user has as many tokens as the site allows.
        StoreUnavailable: the store did not answer; there is no token.
    """
    user = _proven(request, Secret.of(credentials))
    own: Any = request.session
    session = BearerSession(is_new=True)
    session.client.address, session.client.user_agent = own.client.address, own.client.user_agent
    session.client.label = label
    granted = None if scopes is None else sorted(set(scopes))
    if granted is not None:
        session[session_data.SCOPES_KEY] = granted
    with _aside(request, session), _at_once():
        auth.login(request, user)
        session.save()
    key, found = session._active.key, session._active.found
    if key is None or found is None:  # a receiver of user_logged_in ended it
        raise SessionGone
    return Issued(key, user, granted, found.record)


@contextmanager
def _aside(request: HttpRequest, session: BearerSession) -> Iterator[None]:
    """Replace the request's session with ``session``, and restore everything afterwards."""
    before = {name: vars(request)[name] for name in ("session", "user") if name in vars(request)}
    notes = Secret({name: request.META.get(name) for name in _CSRF_NOTES if name in request.META})
    claimed = context.current_session().id
    request.session = session
    try:
        yield
    finally:
        vars(request).update(**before)
        for name in _CSRF_NOTES:
            request.META.pop(name, None)
        request.META.update(notes.value)
        context.current_session().id = claimed


def is_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> bool:
    """Return whether the user proved a credential within ``REAUTHENTICATE_AFTER``, or ``within``.

    ``level`` is the number of factors required, each within this time. The server's record of the session
    decides, never what the client says. False if ``request.user`` is not the user of the session.
    """
    if not principal.owns_session(request):
        return False
    session: Any = request.session
    active = session._active
    user_id, now = session_data.user_of(session), registry.now() if active.found is None else active.found.now
    if within is None:
        within = session_data.in_force(session_data.PROOF, user_id, request).reauthenticate_after
    if not (active.proved or active.signing_in):
        found = active.found
        if found is None or session_data.PROOF_IS_VOID in session:
            return False
        if not records.is_recent(found.record.authenticated_at, now, within):
            return False
    recent = [name for name, at in proofs(request).items() if records.is_recent(at, now, within)]
    return records.level_of(" ".join(recent)) >= level


def proofs(request: HttpRequest) -> dict[str, datetime]:
    """Return the methods (RFC 8176) that the signed-in user has used, and when each was last proved.

    Reauthentication adds its methods; a sign-in starts from nothing. Empty for anonymous visitors, if the
    methods are unknown, and if ``request.user`` is not the user of the session.
    """
    if not principal.owns_session(request):
        return {}
    session: Any = request.session
    active = session._active
    if active.proved or active.signing_in:  # in this request
        now = registry.now()
        return {**session_data.earlier_proofs(session, now), **dict.fromkeys(session.client.amr.split(), now)}
    return {} if active.found is None else session_data.proofs_of(active.found.record, session)


def require_own(request: HttpRequest) -> None:
    """Require that nothing has replaced ``request.user``, whose sessions and password may be changed.

    Raises:
        UserMismatch: the session is another user's.
    """
    if principal.is_swapped(request):
        raise UserMismatch


def require_recent(request: HttpRequest, within: timedelta | None = None, level: int = 0) -> None:
    """Require a recent proof, of at least ``level`` factors.

    Raises:
        ReauthenticationRequired: the last proof is older, or had fewer factors.
        UserMismatch: the session is not that of ``request.user``.
    """
    require_own(request)
    if not is_recent(request, within, level):
        raise ReauthenticationRequired


def reauthenticate(request: HttpRequest, credentials: Mapping[str, Any] | Secret[Mapping[str, Any]]) -> None:
    """Check ``credentials`` of the signed-in user, and move the authentication time.

    ``credentials`` are passed to ``authenticate()`` together with the user's own name, as ``username``, like
    Django's login form does. A cookie's key changes. Written at once.

    Raises:
        InvalidCredentials: the credentials are not those of this user.
        SecondFactorRequired: they are, but the user has a second factor. Nothing was written.
        TooManyTries: too many attempts have failed in this session.
        UserMismatch: the session is not that of ``request.user``.
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    credentials = Secret.of(credentials)
    _require_session(request)
    user, session = request.user, request.session
    credentials = Secret({"username": user.get_username(), **credentials.value})
    session_id = registry.current_id(request)
    proven = _proven(request, credentials, user, session_id)
    if hasattr(proven, "get_session_auth_hash"):  # the password may have been hashed anew
        session[auth.HASH_SESSION_KEY] = proven.get_session_auth_hash()
    complete_reauthentication(request, amr=session_data.noted_amr(proven))


def complete_reauthentication(request: HttpRequest, *, amr: str) -> None:
    """Record that the signed-in user has proved a credential to your code.

    The authentication time moves, and a cookie's key changes. ``amr`` names the methods of the proof,
    separated by spaces (RFC 8176): never more than was proved. Earlier methods keep their own times. Written
    at once.

    Raises:
        UserMismatch: the session is not that of ``request.user``.
        SessionGone, StaleSession, StoreUnavailable: nothing was written.
    """
    _require_session(request)
    session: Any = request.session
    with _at_once():
        session.rotate_key()
        session_data.carry_proofs(proofs(request), session)
        session.client.amr = amr
        session._active.signing_in, session._active.proof = True, events.Kind.STEP_UP
        session.save()


def _require_session(request: HttpRequest) -> None:
    require_own(request)
    if not principal.owns_session(request):  # nobody is signed in, or by a token of another package
        raise SessionGone


def log_out(request: HttpRequest) -> None:
    """End the session of this request, if it has one, whoever ``request.user`` is.

    Raises:
        StoreUnavailable: the store did not answer; the session may still live.
    """
    auth.logout(request)


def revoke(request: HttpRequest, session_id: int) -> None:
    """End one of the signed-in user's own sessions; this one too.

    Raises:
        NoSuchSession: the user has no such session. Another user's looks the same.
        UserMismatch: the session is not that of ``request.user``.
        ReauthenticationRequired: it is another session, and the user has not authenticated recently.
        StoreUnavailable: the store did not answer; the session may still live.
    """
    require_own(request)
    found = get_store().find(session_id)
    if found is None or found.record.user_id is None or found.record.user_id != request.user.pk:
        raise NoSuchSession
    if registry.current_id(request) == session_id:
        log_out(request)
        return
    require_recent(request)
    registry.revoke(session_id, reason="user", actor=request.user)


def revoke_others(request: HttpRequest) -> int:
    """End all sessions of the signed-in user except this one; return how many.

    Raises:
        ReauthenticationRequired: the user has not authenticated recently.
        UserMismatch: the session is not that of ``request.user``.
        StoreUnavailable: the store did not answer; they may still live.
    """
    require_recent(request)
    this = registry.current_id(request)
    return registry.revoke_all(request.user, this, reason="user", actor=request.user)


def revoke_all(request: HttpRequest) -> int:
    """End all sessions of the signed-in user, this one last; return how many.

    Raises:
        ReauthenticationRequired: the user has not authenticated recently.
        UserMismatch: the session is not that of ``request.user``.
        StoreUnavailable: the store did not answer; some may still live.
    """
    ended = revoke_others(request)
    log_out(request)
    return ended + 1


def _persistent(request: HttpRequest, user: Any) -> Any:
    """Return the ``set_expiry`` value of a cookie that outlives the browser, with the usual timeouts."""
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        return None
    current = session_data.in_force(session_data.TIMES, user.pk, request)
    return current.idle_seconds or current.absolute
