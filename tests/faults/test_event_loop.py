"""A Valkey that breaks under requests that wait for it in an event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware
from sessionkeeper.stores.factory import get_breaker, get_store
from tests.faults.conftest import HEALED, PATIENCE
from tests.http.outage_site import assert_outage
from tools.valkey import with_options

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(persisted, settings):
    """A server that the sessions are in."""
    settings.SESSIONKEEPER = {"STORE": with_options(persisted.url)}
    return persisted


@pytest.fixture
def key(server):
    """The key of a session."""
    session = SessionStore()
    session["a"] = 1
    session.save()
    return session.session_key


async def ask(key, *, wanted=None):
    """Send a request that reads, or writes ``wanted``: a name and a value."""

    async def view(request):
        if wanted is None:
            return HttpResponse(str(await request.session.aget("a")))
        await request.session.aset(*wanted)
        return HttpResponse("written")

    request = RequestFactory().get("/", headers={"accept": "application/json"})
    request.COOKIES["sessionid"] = key
    return await SessionMiddleware(AuthenticationMiddleware(view))(request)


async def soon(condition, seconds=PATIENCE):
    """Wait until something holds, and let the loop go on."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


async def is_back(key):
    """Whether the session is read."""
    response = await ask(key)
    return response.status_code == 200 and response.text == "1"


@pytest.mark.rule("L01", "L02")
async def test_killed_is_a_503_for_readers_and_writers_and_heals(server, key):
    assert await is_back(key)
    server.kill()
    for wanted in (None, ("a", 2)):
        assert_outage(await ask(key, wanted=wanted))
    server.start()
    await soon(lambda: is_back(key), HEALED)
    await get_store().store.client.aclose()


@pytest.mark.rule("L04")
async def test_paused_holds_up_few_of_many_requests_and_heals(server, key, settings):
    assert await is_back(key)
    settings.SESSIONKEEPER = {"STORE": with_options(server.url, timeout=0.3, connect_timeout=0.3)}
    counters = get_breaker().counters

    async def is_open():
        return get_breaker().is_open

    server.pause()
    first = [asyncio.create_task(ask(key)) for _ in range(5)]
    await soon(lambda: _refused(key, is_open))
    outages = counters.outages
    for response in await asyncio.gather(*(ask(key) for _ in range(100))):
        assert_outage(response)
    assert counters.outages <= outages + 6  # those of before, and one that was let through to see
    for response in await asyncio.gather(*first):
        assert_outage(response)
    server.resume()
    await soon(lambda: is_back(key), HEALED)
    await get_store().store.client.aclose()


async def _refused(key, is_open):
    assert_outage(await ask(key))
    return await is_open()


@pytest.mark.rule("L03")
async def test_restarted_under_load_loses_nothing_that_was_acknowledged(server, key):
    written, refused, stop = {}, [0], asyncio.Event()

    async def write(number):
        counter = 0
        while not stop.is_set():
            counter += 1
            name = f"v{number}-{counter % 20}"
            response = await ask(key, wanted=(name, counter))
            if response.status_code == 200:
                written[name] = counter
            else:
                assert_outage(response)
                written.pop(name, None)  # whether it was written is not known
                refused[0] += 1
                await asyncio.sleep(0.02)

    writers = [asyncio.create_task(write(number)) for number in range(6)]
    for _ in range(2):
        before, missed = dict(written), refused[0]
        await soon(lambda: _holds(lambda: written != before))  # noqa: B023
        server.kill()
        await soon(lambda: _holds(lambda: refused[0] > missed + 8))  # noqa: B023
        server.start()
        await soon(lambda: is_back(key), HEALED)
    stop.set()
    await asyncio.gather(*writers)
    session = SessionStore(key)
    assert {name: await session.aget(name) for name in written} == written
    await get_store().store.client.aclose()


async def _holds(condition):
    return condition()
