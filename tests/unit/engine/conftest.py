"""Each operation in its sync and in its async form."""

from __future__ import annotations

from importlib import import_module

import pytest
from asgiref.sync import async_to_sync

from tests.unit.engine.adopting import OLD, make_old
from tests.unit.middleware.browsing import browser

__all__ = ["browser", "do"]


@pytest.fixture(params=["sync", "async"])
def do(request):
    """Call a method of a session, in its sync or async form."""

    def call(session, name, *args, **kwargs):
        if request.param == "sync":
            name = {"set": "__setitem__"}.get(name, name)
            return getattr(session, name)(*args, **kwargs)
        return async_to_sync(getattr(session, "a" + name))(*args, **kwargs)

    return call


@pytest.fixture(params=["db", "cached_db"])
def engine(request, settings):
    """The engine of before; our engine is the one in use."""
    settings.SESSIONKEEPER = {"ADOPT": OLD + request.param}
    return import_module(OLD + request.param)


@pytest.fixture(params=["ours", "django's"])
def both(request, settings):
    """Our middleware, or Django's."""
    if request.param != "ours":
        settings.MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ]


@pytest.fixture
def old(engine, person):
    """The key of an old session in which that user is signed in."""
    return make_old(engine, person)
