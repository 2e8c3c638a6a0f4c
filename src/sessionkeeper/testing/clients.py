"""Test clients that are signed in, over either transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest
from django.test import Client

from sessionkeeper.core import context, keys
from sessionkeeper.core.keys import Key
from sessionkeeper.core.records import BEARER, COOKIE
from sessionkeeper.engine import session_data
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http import client_info

#: What the device of :func:`sign_in` and that of :func:`second_device` send as their ``User-Agent``.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OTHER_BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile Safari/604.1"


class SessionClient(Client):
    """Django's test client, signed in by :func:`sign_in`.

    Attributes:
        user: the user who was signed in.
        session_id: the public id of the session that began.
        transport: ``cookie`` or ``bearer``.
    """

    user: Any
    session_id: str
    transport: str


def sign_in(
    user: Any,
    *,
    transport: str = COOKIE,
    amr: str = "pwd",
    label: str = "",
    scopes: Sequence[str] | None = None,
    user_agent: str = BROWSER,
    **client_options: Any,
) -> SessionClient:
    """Sign a user in without a password, and return a client that holds the cookie, or sends the token.

    ``transport`` is ``cookie`` or ``bearer``, ``amr`` the methods of the proof (RFC 8176), and ``scopes``
    what a token is restricted to. ``client_options`` are those of Django's client, such as
    ``enforce_csrf_checks``. Signals are sent and the audit trail is written as at any sign-in.

    Raises:
        ValueError: there is no such transport, or a cookie was to have scopes.
        TooManySessions: the user has as many sessions as the site allows.
    """
    if transport not in {COOKIE, BEARER}:
        raise ValueError(f"The transport is 'cookie' or 'bearer', not {transport!r}.")
    if scopes is not None and transport == COOKIE:
        raise ValueError("Only a bearer token has scopes.")
    session: Any = SessionStore() if transport == COOKIE else BearerSession(is_new=True)
    session.client.address, session.client.user_agent = "127.0.0.1", user_agent
    session.client.label, session.client.amr = label, amr
    if scopes is not None:
        session[session_data.SCOPES_KEY] = sorted(set(scopes))
    key = _begin(user, session)
    headers = {"User-Agent": user_agent, **(client_options.pop("headers", None) or {})}
    if transport == BEARER:
        headers["Authorization"] = f"Bearer {keys.to_bearer(key)}"
    client = SessionClient(headers=headers, **client_options)
    if transport == COOKIE:
        client.cookies[settings.SESSION_COOKIE_NAME] = key.text
    client.user, client.session_id, client.transport = user, keys.encode_id(key.id), transport
    return client


def second_device(client: SessionClient, *, transport: str | None = None, **options: Any) -> SessionClient:
    """Sign the user of a client in on another device, and return its client.

    It has the same transport if none is given. ``options`` are those of :func:`sign_in`.
    """
    options.setdefault("user_agent", OTHER_BROWSER)
    return sign_in(client.user, transport=transport or client.transport, **options)


def session_number(client: Client | str) -> int:
    """Return the number of a client's session, or of one with a public id.

    A client that holds no key any more has the session with which it began.

    Raises:
        ValueError: the client has no session, or the text is no id.
    """
    if isinstance(client, str):
        number = keys.parse_id(client)
    else:
        key = _key_of(client)
        number = keys.parse_id(getattr(client, "session_id", "")) if key is None else key.id
    if number is None:
        raise ValueError(
            "There is no session: give a client that is signed in, or the public id of a session."
        )
    return number


def bare_request(client: Client) -> HttpRequest:
    """Return a request as this client would send it, without a path."""
    request = HttpRequest()
    request.META = {**client.defaults, "REMOTE_ADDR": client.defaults.get("REMOTE_ADDR", "127.0.0.1")}
    request.COOKIES = {name: morsel.value for name, morsel in client.cookies.items() if morsel.value}
    request.method = "GET"
    return request


def _key_of(client: Client) -> Key | None:
    request = bare_request(client)
    token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[2]
    parsed = keys.parse_bearer(token)
    return keys.parse(request.COOKIES.get(settings.SESSION_COOKIE_NAME)) if parsed is None else parsed


def _begin(user: Any, session: Any) -> Key:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": session.client.address, "HTTP_USER_AGENT": session.client.user_agent}
    request.session = session
    context.begin(request)
    client_info.current.set(session.client)
    try:
        auth.login(request, user, backend=_backend_of(user))
        session.save()
    finally:
        context.end()
        client_info.current.set(None)
    key: Key = session._active.key
    return key


def _backend_of(user: Any) -> str:
    """Return the backend that knows the user by its id, as Django's ``force_login`` chooses it."""
    known: str | None = getattr(user, "backend", None)
    if known is not None:
        return known
    return next(
        path for path in settings.AUTHENTICATION_BACKENDS if hasattr(auth.load_backend(path), "get_user")
    )
