"""What is known of the request under way."""

from __future__ import annotations

import asyncio
import gc

from sessionkeeper.core import context


class Holder:
    """Stands for a session."""


def test_the_first_session_of_a_request_is_the_requests_own():
    context.begin()
    own, other = Holder(), Holder()
    context.get().claim(1, own)
    context.get().claim(2, other)
    assert context.get().session_id == 1
    context.get().claim(3, own)
    assert context.get().session_id == 3


def test_outside_of_requests_it_is_the_session_that_was_used_last():
    own, other = Holder(), Holder()
    context.get().claim(1, own)
    context.get().claim(2, other)
    assert context.get().session_id == 2


def test_a_request_begins_with_nothing_of_the_one_before(rf):
    request = rf.get("/")
    context.begin(request)
    context.get().claim(1, holder := Holder())
    assert context.get().request is request
    context.end()
    assert (context.get().session_id, context.get().request) == (None, None)
    del holder


def test_it_keeps_no_request_alive(rf):
    context.begin(rf.get("/"))
    gc.collect()
    assert context.get().request is None


def test_tasks_that_run_side_by_side_have_each_their_own():
    async def request(number):
        context.begin()
        context.get().claim(number, holder := Holder())
        await asyncio.sleep(0)
        del holder
        return context.get().session_id

    async def both():
        return await asyncio.gather(request(1), request(2))

    assert asyncio.run(both()) == [1, 2]
