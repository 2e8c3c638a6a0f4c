"""Two processes with a near cache each, on one database, played in one: a test decides what runs when."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from itertools import count
from types import SimpleNamespace

from django.contrib import auth

from sessionkeeper.core import keys
from sessionkeeper.engine import principal
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores import factory
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.near_cache.redis import RedisChannel
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import Channel, near, redis_store


class Sides:
    """``here`` and ``there``: near caches in front of the same table, which hear each other."""

    def __init__(self, monkeypatch, clock=None, **options):
        self.members = []
        self.here, self.there = self._made(clock, options)
        self._now = self.here
        monkeypatch.setattr(factory, "_open", lambda url: self._now)

    def _made(self, clock, options):
        return [near(DatabaseStore(clock=clock), Channel(self.members), clock, **options) for _ in range(2)]

    def hear(self, side):
        """Have a side take in all that was told until now."""
        side._channel.is_trusted()

    def stored(self, key):
        """Return what the store has."""
        return self.here._store.find(keys.parse(key).id, principal=True)

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


class ValkeySides(Sides):
    """The same in front of a Valkey, which tells one what the other does."""

    def __init__(self, monkeypatch, kind="valkey", **options):
        self._kind = kind
        super().__init__(monkeypatch, **options)

    def _made(self, clock, options):
        first = redis_store(self._kind)
        made = []
        for store in (first, RedisStore(first.client.url)):
            channel = RedisChannel(store.client)
            side = near(store, channel, **options)
            channel.heard = []
            channel.subscribe(partial(self._note, side, channel.heard))
            made.append(side)
        for side in made:
            until(side.is_on)
        return made

    @staticmethod
    def _note(side, heard, message):
        heard.append(message)
        side._receive(message)

    def hear(self, side):
        """Have a side take in all that was told until now: what is told now comes behind it."""
        channel, mark = side._channel, f"s:{next(_marks)}"
        self.there._store.client.run([channel.name], "tell", "", channel.name, mark)
        until(lambda: side.is_on() and mark in channel.heard)

    def close(self):
        """Hear nothing more."""
        for side in (self.here, self.there):
            side.close()
            side._store.client.close()


_marks = count(1)


def until(condition, seconds=20):
    """Wait until something holds that another thread or process brings about."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.002)):
        if condition():
            return
        pause.wait(0.002)
    raise AssertionError("it did not happen")


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
