"""Bearer tokens: the verb that begins a session for what is not a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.contrib import auth
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.auth.flows import verify
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import SessionGone
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine import session_data
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.database.errors import translate_errors

# Where Django notes that the answer has to set its CSRF cookie.
_CSRF_NOTES = ("CSRF_COOKIE", "CSRF_COOKIE_NEEDS_UPDATE")


class Issued(NamedTuple):
    """A token, which only its client gets and which is not stored, and the session that it opens."""

    token: str
    session_id: int
    user: Any
    scopes: list[str] | None
    record: SessionRecord

    def __repr__(self) -> str:
        """Leave the token out: a log line must not hold it."""
        return f"<Issued token of session {keys.encode_id(self.session_id)}>"


@sensitive_variables("credentials")
def issue_token(
    request: HttpRequest,
    *,
    credentials: Mapping[str, Any],
    label: str = "",
    scopes: Sequence[str] | None = None,
) -> Issued:
    """Begin a bearer session for the user with ``credentials`` and return its token.

    The request's own session is neither read nor changed, and no cookie is set. ``label`` is a name for the
        session in lists. With ``scopes`` the session opens only views that ask for some of them; None does
        not
    restrict it. ``user_logged_in`` is sent, and its receivers find the new session in ``request.session``.

    Raises:
        InvalidCredentials: no backend accepts the credentials.
        SecondFactorRequired: they are correct, but the user has a second factor. There is no token.
        TooManyTries: too many attempts have failed; the credentials were not checked.
        TooManySessions: the user has as many tokens as the site allows.
        StoreUnavailable: the store did not answer; there is no token.
    """
    user = verify(request, credentials)
    own: Any = request.session
    session = own.new_bearer()
    session.client.label = label
    granted = None if scopes is None else sorted(set(scopes))
    if granted is not None:
        session[session_data.SCOPES_KEY] = granted
    with translate_errors(), _aside(request, session):
        auth.login(request, user)
        session.save()
    key, found = session._active.key, session._active.found
    if key is None or found is None:  # a receiver of user_logged_in has ended it
        raise SessionGone
    return Issued(keys.to_bearer(key), key.id, user, granted, found.record)


@contextmanager
def _aside(request: HttpRequest, session: SessionStore) -> Iterator[None]:
    """Put ``session`` in the place of the request's own for a while, and everything back after it."""
    missing = object()
    before = {name: getattr(request, name, missing) for name in ("session", "user")}
    notes = {name: request.META.get(name, missing) for name in _CSRF_NOTES}
    claimed = context.current_session().id
    request.session = session
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not missing:
                setattr(request, name, value)
        for name, value in notes.items():
            request.META.pop(name, None)
            if value is not missing:
                request.META[name] = value
        context.current_session().id = claimed
