"""What waits for its turn in this process is not counted as waiting for the store."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from sessionkeeper.core import context, own_queue
from sessionkeeper.core.errors import StoreUnavailable, StoreUnreachable
from sessionkeeper.stores.factory import OUTAGES, QUIET, CircuitBreaker, CircuitBreakerStore
from tests.stores import insert, redis_store


class Seconds:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Seconds()


@pytest.mark.rule("L04")
@pytest.mark.django_db(transaction=True)
async def test_operations_that_wait_for_a_connection_do_not_open_the_breaker(clock):
    store = redis_store("valkey", connections=1)
    session_id = await asyncio.to_thread(lambda: insert(store).id)
    guard = CircuitBreakerStore(store, CircuitBreaker(clock))

    def find():
        return guard.find(session_id)

    async with store.client._loops._connected():  # the only one, which the site itself holds
        asking = [asyncio.create_task(context.greenlet_spawn(find)) for _ in range(2 * OUTAGES)]
        await asyncio.sleep(0.05)
        clock.now += 10 * QUIET
        token = guard.breaker.enter()  # what comes now would open it
        guard.breaker.leave(token, ZeroDivisionError())
    assert [one.record.id for one in await asyncio.gather(*asking)] == [session_id] * 2 * OUTAGES
    assert guard.breaker.counters.opened == 0
    await store.client.aclose()


@pytest.mark.rule("L04")
async def test_operations_that_wait_for_a_thread_do_not_open_the_breaker(clock):
    breaker, busy, free = CircuitBreaker(clock), threading.Event(), threading.Event()

    def work():
        busy.set()
        free.wait(30)

    def operation():
        token = breaker.enter()
        try:
            return context.run_in_database_thread(lambda: 7)
        finally:
            breaker.leave(token, None)

    async with ThreadSensitiveContext():
        working = asyncio.create_task(sync_to_async(work)())
        await asyncio.to_thread(busy.wait, 30)
        asking = [asyncio.create_task(context.greenlet_spawn(operation)) for _ in range(2 * OUTAGES)]
        await asyncio.sleep(0.05)
        clock.now += 10 * QUIET
        breaker.leave(breaker.enter(), ZeroDivisionError())
        free.set()
        assert await asyncio.gather(*asking) == [7] * 2 * OUTAGES
        await working
    assert breaker.counters.opened == 0


def test_after_the_wait_a_store_that_has_died_is_not_asked(clock):
    breaker = CircuitBreaker(clock)
    breaker.enter()
    with own_queue.waiting():
        mine = own_queue.current.get()
        clock.now += QUIET
        for _ in range(OUTAGES):
            breaker.leave(breaker.enter(), StoreUnreachable())
        assert breaker.is_open
        own_queue.current.set(mine)
    with pytest.raises(StoreUnavailable, match="was refused"):
        own_queue.go_on()


def test_an_operation_that_ended_while_it_waited_is_not_counted_again(clock):
    breaker = CircuitBreaker(clock)
    for _ in range(OUTAGES):
        token = breaker.enter()
        breaker.pause(token)
        breaker.leave(token, StoreUnavailable())
        breaker.resume(token)
    clock.now += 10 * QUIET
    breaker.enter()
    assert not breaker.is_open


def test_outside_of_operations_there_is_nothing_to_note():
    own_queue.current.set(None)
    with own_queue.waiting():
        own_queue.go_on()
    assert own_queue.in_thread(len) is len
