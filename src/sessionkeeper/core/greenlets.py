"""Sync code that waits in an event loop without a thread: it runs in a greenlet of the loop's task.

What reaches the store is written once, as sync code. Async code runs it by :func:`greenlet_spawn`; where it
would block, it hands an awaitable to the task by :func:`await_only` and goes on with its result. What asks
the database takes a thread by :func:`run_in_database_thread`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, sync_to_async

try:
    from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]
except ImportError:  # comes with the extra [redis]; without it a thread is taken
    getcurrent = greenlet = None

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Greenlet: Any = None

if greenlet is not None:

    class _Greenlet(greenlet):  # type: ignore[misc, no-redef]  # greenlet has no types
        """Sync code of the task that is its parent. It sees and sets the task's context variables."""

        def __init__(self, function: Callable[[], Any]) -> None:
            task = getcurrent()
            super().__init__(function, task)
            self.gr_context = task.gr_context


def is_possible() -> bool:
    """Whether sync code may run in a greenlet of the task that runs now.

    Not in a loop that sync code started for a single call, as an async view under WSGI: that code's thread
    waits anyway, and has connections, which the loop would have to open first.
    """
    if _Greenlet is None:
        return False
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another kind of event loop
        return False
    return not _is_of_one_call(loop)


def _is_of_one_call(loop: asyncio.AbstractEventLoop) -> bool:
    return loop in AsyncToSync.loop_thread_executors


def in_greenlet() -> bool:
    """Whether the code that runs now may :func:`await_only`."""
    return _Greenlet is not None and isinstance(getcurrent(), _Greenlet)


async def greenlet_spawn(function: Callable[[], _T]) -> _T:
    """Run sync code in a greenlet of the task that runs now, and await for it what it waits for."""
    spawned = _Greenlet(function)
    asked = spawned.switch()
    while not spawned.dead:
        try:
            answer = await asked
        except BaseException:  # noqa: BLE001 - also the cancellation of the task is for the code to see
            asked = spawned.throw(*sys.exc_info())
        else:
            asked = spawned.switch(answer)
    return asked  # type: ignore[no-any-return]


def await_only(awaitable: Awaitable[_T]) -> _T:
    """Return what an awaitable gives, or raise what it raises. Only for code that ``greenlet_spawn`` runs."""
    return getcurrent().parent.switch(awaitable)  # type: ignore[no-any-return]


def run_in_database_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call what may ask the database: right here, or from a greenlet in the thread that Django has for it."""
    if not in_greenlet():
        return function(*args, **kwargs)
    return await_only(sync_to_async(function)(*args, **kwargs))


def sleep(seconds: float) -> None:
    """Do nothing for a while, and let the loop go on."""
    if in_greenlet():
        await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)
