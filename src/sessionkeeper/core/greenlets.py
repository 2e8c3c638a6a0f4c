"""Runs sync code in an event loop without a thread, in a greenlet of the loop's task.

Access to the store is written once, as sync code. Async code runs it with :func:`greenlet_spawn`. Where it
would block, it passes an awaitable to the task with :func:`await_only`, and continues with the result.
Queries of the database take a thread, with :func:`run_in_database_thread`.
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
except ImportError:  # part of the extra [redis]; without it, a thread is used
    getcurrent = greenlet = None

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Greenlet: Any = None

if greenlet is not None:

    class _Greenlet(greenlet):  # type: ignore[misc, no-redef]  # greenlet has no types
        """Sync code of the task that is its parent. It shares the task's context variables."""

        def __init__(self, function: Callable[[], Any]) -> None:
            task = getcurrent()
            super().__init__(function, task)
            self.gr_context = task.gr_context


def is_possible() -> bool:
    """Return whether sync code may run in a greenlet of the current task.

    Not in a loop that sync code started for one call, such as an async view under WSGI: the thread of that
    code waits anyway, and already has connections.
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
    """Return whether the current code may call :func:`await_only`."""
    return _Greenlet is not None and isinstance(getcurrent(), _Greenlet)


async def greenlet_spawn(function: Callable[[], _T]) -> _T:
    """Run sync code in a greenlet of the current task, and await what it waits for."""
    spawned = _Greenlet(function)
    asked = spawned.switch()
    while not spawned.dead:
        try:
            answer = await asked
        except BaseException:  # noqa: BLE001 - the code gets the cancellation of the task too
            asked = spawned.throw(*sys.exc_info())
        else:
            asked = spawned.switch(answer)
    return asked  # type: ignore[no-any-return]


def await_only(awaitable: Awaitable[_T]) -> _T:
    """Return the result of an awaitable. Only for code that ``greenlet_spawn`` runs."""
    return getcurrent().parent.switch(awaitable)  # type: ignore[no-any-return]


def run_in_database_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function that may make queries: directly, or from a greenlet in Django's thread for them."""
    if not in_greenlet():
        return function(*args, **kwargs)
    return await_only(sync_to_async(function)(*args, **kwargs))


def sleep(seconds: float) -> None:
    """Sleep without blocking the event loop."""
    if in_greenlet():
        await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)
