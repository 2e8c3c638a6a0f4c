"""Two processes with a near cache each, on one database, played in one: a test decides what runs when."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

from django.contrib import auth

from sessionkeeper import principal, stores
from sessionkeeper.engine import SessionStore
from sessionkeeper.stores.database import DatabaseStore
from tests.stores import Channel, near


class Sides:
    """``here`` and ``there``: near caches in front of the same table, which hear each other."""

    def __init__(self, monkeypatch, clock=None, **options):
        self.members = []
        self.here, self.there = (
            near(DatabaseStore(clock=clock), Channel(self.members), clock, **options) for _ in range(2)
        )
        self._now = self.here
        monkeypatch.setattr(stores, "_open", lambda url: self._now)

    @contextmanager
    def on(self, side):
        """Run as the process ``side``."""
        before, self._now = self._now, side
        try:
            yield side
        finally:
            self._now = before

    def ask(self, key, side=None):
        """Return the user whom a request with ``key`` on ``side`` is from, and the request's session."""
        with self.on(side or self.here):
            session = SessionStore(key)
            session.principal_wanted, session.touches_on_load = True, False
            user = principal.get_user(SimpleNamespace(session=session))
            return user, session


def sign_in(user):
    """Return the key of a new session in which ``user`` is signed in."""
    session = SessionStore()
    session.update(
        {
            auth.SESSION_KEY: user._meta.pk.value_to_string(user),
            auth.BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
            "basket": 1,
        }
    )
    session.save()
    return session.session_key
