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

from sessionkeeper import conf
from sessionkeeper.errors import InvalidCredentials, SessionGone

#: What ``amr`` says of a session that began with a password (RFC 8176).
PASSWORD = "pwd"  # noqa: S105 - the name of a method, not a password
#: Django's ``set_expiry(0)``: the cookie goes when the browser closes.
_BROWSER_CLOSE = 0


def log_in(
    request: HttpRequest,
    *,
    credentials: Mapping[str, Any],
    remember: bool | None = None,
    label: str = "",
) -> Any:
    """Sign a user in with ``credentials``, asking all configured backends, and return the user.

    The session key changes, also when the same user signs in again; another user's session is ended and
    nothing of it is carried over. ``remember`` True keeps the cookie until the session's absolute timeout,
    False until the browser closes, None leaves it to ``SESSION_EXPIRE_AT_BROWSER_CLOSE``. ``label`` is a
    name for the session in lists.

    Raises:
        InvalidCredentials: no backend takes the credentials. Nothing was changed.
        SessionGone: the session was ended while this ran. Nobody is signed in.
        StoreUnavailable: the store did not answer. Nobody is signed in.
    """
    user = auth.authenticate(request, **credentials)
    if user is None:
        raise InvalidCredentials
    session: Any = request.session
    session.set_expiry(None)  # what the last sign-in chose is not this one's choice
    session.client.label = label
    session.client.amr = PASSWORD if "password" in credentials else ""
    auth.login(request, user)
    if remember is not None:
        session.set_expiry(_persistent() if remember else _BROWSER_CLOSE)
    try:
        session.save()
    except SessionGone:
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


def _persistent() -> Any:
    """Return the ``set_expiry`` value of a cookie that outlives the browser, with the usual timeouts."""
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        return None
    current = conf.current()
    return current.idle_seconds or current.absolute
