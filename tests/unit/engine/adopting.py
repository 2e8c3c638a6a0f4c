"""Sessions of the engine that was used before, and the first request that brings one."""

from __future__ import annotations

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client

from sessionkeeper.core import context

OLD = "django.contrib.sessions.backends."


def make_old(engine, user=None, **data):
    """Store an old session; return its key."""
    session = engine.SessionStore()
    session["basket"] = [1]
    if user is not None:
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(data)
    session.create()
    return session.session_key


def comes_with(cookie, url="/", **options):
    """Make a first request with this cookie; return the answer and the client."""
    client = Client(**options)
    client.cookies["sessionid"] = cookie
    answer = client.get(url)
    context.begin()
    return answer, client
