"""Requests to async views: nothing of ours blocks the thread of the event loop."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from django.contrib.auth import login
from django.http import HttpResponse
from django.test import RequestFactory

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware
from sessionkeeper.stores import factory
from tests.stores import redis_store

pytestmark = pytest.mark.django_db(transaction=True)
#: Where the functions of C are that talk to a database.
DRIVERS = ("sqlite3", "psycopg", "psycopg_binary", "psycopg_c")

#: Calls of a socket that wait.
WAITS = {"accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendmsg"}


class Watch:
    """Notes calls in its thread that wait for something, while it is entered."""

    def __init__(self):
        self.blocking = []

    def __enter__(self):
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _see(self, frame, event, function):
        if event == "call" and frame.f_globals.get("__name__", "").split(".")[0] in DRIVERS:
            self.blocking.append(frame.f_code.co_qualname)
        if event != "c_call":
            return
        name, owner = function.__name__, getattr(function, "__self__", None)
        if isinstance(owner, socket.socket) and owner.gettimeout() != 0 and name in WAITS:
            self.blocking.append(f"socket.{name}")
        elif name == "sleep" and function.__module__ == "time":
            self.blocking.append("time.sleep")
        elif any(base.__module__.split(".")[0] in DRIVERS for base in type(owner).__mro__):
            self.blocking.append(f"{type(owner).__name__}.{name}")


@pytest.fixture(params=["database", "valkey"])
def store(request, monkeypatch):
    """The store that the engine uses."""
    if request.param == "database":
        return factory.get_store()
    made = redis_store("valkey")
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@pytest.fixture
def key(store, make_user):
    """The key of a session in which somebody has signed in."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    login(request, make_user(), backend="django.contrib.auth.backends.ModelBackend")
    request.session["a"] = 1
    request.session.save()
    return request.session.session_key


async def reads(request):
    user = await request.auser()
    assert user.is_authenticated
    return HttpResponse(str(await request.session.aget("a")))


async def writes(request):
    await request.session.aset("b", 2)
    return HttpResponse("written")


async def changes_the_key(request):
    await request.session.acycle_key()
    return HttpResponse("changed")


async def ends(request):
    await request.session.aflush()
    return HttpResponse("ended")


async def ask(key, view):
    """Send a request through both middlewares; return the status."""
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    return (await SessionMiddleware(AuthenticationMiddleware(view))(request)).status_code


@pytest.mark.parametrize("view", [reads, writes, changes_the_key, ends])
def test_no_call_in_the_loops_thread_waits_for_the_store(store, key, settings, view):
    settings.SESSIONKEEPER = {"TOUCH_INTERVAL": 0.000001}

    async def watched():
        with Watch() as watch:
            status = await ask(key, view)
        return status, watch.blocking

    assert asyncio.run(watched()) == (200, [])


def test_what_would_block_is_seen(store, key):
    """Or the test above would show nothing: sync code in the thread that is watched."""
    with Watch() as watch:
        assert SessionStore(key)["a"] == 1
    assert watch.blocking
