"""Assertions about the session of a client, without a request to the site."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.test import Client

from sessionkeeper.core import context, keys
from sessionkeeper.core.records import is_live
from sessionkeeper.engine import principal
from sessionkeeper.middleware.session import SessionMiddleware
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores.factory import get_store
from sessionkeeper.testing.clients import bare_request, session_number


def assert_signed_in(client: Client, user: Any = None) -> None:
    """Assert that the site would recognise the client's user, and that it is ``user``, if given.

    The middleware and the engine decide, as for a request, also whether the user is still active. The use is
    not recorded.

    Raises:
        AssertionError: nobody is signed in, or somebody else.
        StoreUnavailable: the store did not answer.
    """
    found = _user_of(client)
    if not found.is_authenticated:
        raise AssertionError("Nobody is signed in: the client's session has ended, or never began.")
    if user is not None and found.pk != user.pk:
        raise AssertionError(f"{found} is signed in, not {user}.")


def assert_session_ended(client: Client | str, reason: str | None = None) -> None:
    """Assert that the session of a client, or with a public id, is revoked or has expired.

    A client from ``sign_in`` may have lost its cookie since. ``reason`` is the one that the audit trail
    has to give for a revocation, such as ``"user"`` or ``"everyone"``.

    Raises:
        AssertionError: the session is live, or ended for another reason.
        ValueError: the client never had a session.
        StoreUnavailable: the store did not answer.
    """
    number = session_number(client)
    found = get_store().find(number)
    if found is not None and is_live(found.record, found.now):
        raise AssertionError(f"Session {keys.encode_id(number)} is live.")
    if reason is None:
        return
    events = AuditEvent.objects.filter(session_id=number).order_by("-pk")
    given = events.exclude(reason="").values_list("reason", flat=True).first()
    if given != reason:
        raise AssertionError(f"The session ended with the reason {given!r}, not {reason!r}.")


def _user_of(client: Client) -> Any:
    request = bare_request(client)
    try:
        refusal = SessionMiddleware(lambda request: HttpResponse()).process_request(request)
        if refusal is not None:
            raise AssertionError("The client sends both a cookie and a token, which the site refuses.")
        return principal.get_user(request, in_scope=True)
    finally:
        context.end()
