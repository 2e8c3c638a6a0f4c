"""The current request, its session and its transactions, and how sync code waits in an event loop.

A change of the user's password spares the current session, and the middleware learns from it that the
request ended its own session. Other state of a request is in the modules that need it, each in a
:func:`variable`.

Django has no signal for a rollback, but it drops the ``on_commit`` hooks of the transaction or savepoint.
Nothing else refers to the hook of :func:`on_rollback`, so its deletion tells.

Access to the store is written once, as sync code. Async code runs it with :func:`greenlet_spawn`, in a
greenlet of its task. Where it would block, it passes an awaitable to the task with :func:`await_only`, and
continues with the result. Queries of the database take a thread, with :func:`run_in_database_thread`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, sync_to_async
from django.db import connections, transaction

from sessionkeeper.core import own_queue
from sessionkeeper.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from django.http import HttpRequest


try:
    from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]
except ImportError:  # part of the extra [redis]; without it, a thread is used
    getcurrent = greenlet = None

log = logging.getLogger("sessionkeeper.store")


@dataclass(slots=True)
class CurrentSession:
    """The session of one request: its id, whether the request ended it, and what has to be done again.

    Outside of requests it is the session used last. All threads and tasks of a request share the object; only
    the reference is copied.
    """

    in_request: bool = False
    id: int | None = None
    ended: bool = False
    undone: list[tuple[str | None, Callable[[], object]]] = field(default_factory=list)
    _holder: weakref.ref[Any] | None = None

    def claim(self, session_id: int, holder: object) -> None:
        """Make ``session_id`` the request's session, unless another ``holder`` has claimed one.

        The first claim counts, since code may open other sessions than the request's own.
        """
        claimed_by = None if self._holder is None else self._holder()
        if not self.in_request or claimed_by is None or claimed_by is holder:
            self.id, self._holder = session_id, weakref.ref(holder)


_variables: list[ContextVar[Any]] = []


def variable(name: str) -> ContextVar[Any]:
    """Return a new context variable, which is None when a request begins and after it has ended."""
    made: ContextVar[Any] = ContextVar(f"sessionkeeper_{name}", default=None)
    _variables.append(made)
    return made


_session: ContextVar[CurrentSession | None] = variable("session")
_request: ContextVar[weakref.ref[HttpRequest] | None] = variable("request")
_last_steps: ContextVar[list[Callable[[], object]] | None] = variable("last_steps")


def begin(request: HttpRequest | None = None, **_: Any) -> None:
    """Start a request, without a session yet. Also a receiver of Django's ``request_started``."""
    _.clear()  # the signal hands over all headers
    for each in _variables:
        each.set(None)
    _session.set(CurrentSession(in_request=True))
    _request.set(None if request is None else weakref.ref(request))


def end(**_: Any) -> None:
    """End a request. Also a receiver of Django's ``request_finished``."""
    try:
        repeat()
    except StoreUnavailable:
        log.exception("What a rollback had undone could not be repeated.")
    for step in _last_steps.get() or ():
        step()
    for each in _variables:
        each.set(None)


def at_end(step: Callable[[], object]) -> None:
    """Call ``step`` when the request ends."""
    _last_steps.set([*(_last_steps.get() or ()), step])


def current_session() -> CurrentSession:
    """Return the session of the current request."""
    value = _session.get()
    if value is None:
        value = CurrentSession()
        _session.set(value)
    return value


def can_roll_back(alias: str | None) -> bool:
    """Return whether what is written to this database now may be undone before the request ends."""
    if alias is None or not connections[alias].in_atomic_block:
        return False
    # The transaction of a test ends after everybody has looked; its hooks are the project's own.
    blocks = getattr(connections[alias], "atomic_blocks", ())
    return not (blocks and getattr(blocks[-1], "_from_testcase", False))


def insist(alias: str | None, step: Callable[[], object]) -> None:
    """Repeat ``step``, which writes to this database, if the current transaction or savepoint is rolled back.

    It is repeated before the response, or else when the request ends. Outside of requests, a rollback stands.
    """
    current = current_session()
    if current.in_request:
        on_rollback(alias, partial(current.undone.append, (alias, step)))


def must_repeat() -> bool:
    """Return whether :func:`repeat` has something to do."""
    current = _session.get()
    return current is not None and bool(current.undone)


def repeat() -> None:
    """Repeat what a rollback has undone, see :func:`insist`. Steps that fail remain.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    current = _session.get()
    while current is not None and current.undone:
        insist(*current.undone[0])
        current.undone[0][1]()
        del current.undone[0]


def on_rollback(
    alias: str | None, undone: Callable[[], object], committed: Callable[[], object] = lambda: None
) -> None:
    """Call ``undone`` as soon as the current transaction or savepoint is rolled back, else ``committed``.

    Neither may use the database. Without a transaction, neither is called.
    """
    if alias is not None and can_roll_back(alias):
        transaction.on_commit(_Hook(connections[alias], undone, committed), using=alias)


class _Hook:
    """A hook of a commit, which Django deletes if there is none."""

    def __init__(
        self, connection: Any, undone: Callable[[], object], committed: Callable[[], object]
    ) -> None:
        self._connection, self._undone, self._committed = connection, undone, committed
        self._is_over = False

    def __call__(self) -> None:
        """Note the commit."""
        self._is_over = True
        self._committed()

    def __del__(self) -> None:
        """Tell of the rollback. With autocommit on again, there was a commit, and an earlier hook failed."""
        if not self._is_over:
            (self._committed if self._connection.autocommit else self._undone)()


def current_request() -> HttpRequest | None:
    """Return the current request, if there is one and our middleware is installed; else None."""
    reference = _request.get()
    return None if reference is None else reference()


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
    return await_only(sync_to_async(own_queue.in_thread(function))(*args, **kwargs))


def sleep(seconds: float) -> None:
    """Sleep without blocking the event loop."""
    if in_greenlet():
        await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)
