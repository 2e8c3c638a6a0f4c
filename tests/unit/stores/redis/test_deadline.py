"""A limit for the server, which does not run while the event loop is late."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from sessionkeeper.core import context
from sessionkeeper.stores.redis.deadline import Deadline
from tests.stores import insert, redis_store


async def test_what_does_not_come_is_an_error():
    with pytest.raises(TimeoutError):
        async with Deadline(0.02):
            await asyncio.get_running_loop().create_future()


async def test_a_cancellation_from_outside_stays_one():
    async def wait():
        async with Deadline(60):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_that_arrived_while_the_loop_was_held_up_counts():
    reader, writer = await asyncio.open_connection(*await _echo())
    async with Deadline(0.05):
        writer.write(b"x")
        _block()
        assert await reader.read(1) == b"x"
    writer.close()
    await writer.wait_closed()


def _block():
    """Hold the loop up for longer than the limit, as somebody else's code may."""
    time.sleep(0.3)


async def _echo():
    """Start a server in a process of its own, which answers while this loop is held up. Return its place."""
    code = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "print(server.getsockname()[1], flush=True)\npeer = server.accept()[0]\npeer.sendall(peer.recv(1))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    return "127.0.0.1", int(await process.stdout.readline())


@pytest.mark.django_db(transaction=True)
async def test_a_loop_that_others_hold_up_longer_than_the_limit_is_no_outage():
    store = redis_store("valkey", timeout=0.2, connect_timeout=0.2)
    session_id = await asyncio.to_thread(lambda: insert(store).id)

    async def hold_up():
        for _ in range(4):
            await asyncio.sleep(0)
            _block()

    asking = [context.greenlet_spawn(lambda: store.find(session_id)) for _ in range(5)]
    *found, _ = await asyncio.gather(*asking, hold_up())
    assert [one.record.id for one in found] == [session_id] * 5
    await store.client.aclose()
