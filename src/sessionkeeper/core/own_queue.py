"""Waiting for a connection or a thread of this process, which is not the store's silence.

The circuit breaker counts operations that wait for the store. It notes the current one here, and does not
count it while it waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Counter(Protocol):
    """What counts operations: the circuit breaker."""

    def pause(self, token: int) -> None:
        """Do not count this operation for now."""

    def resume(self, token: int) -> None:
        """Count it from now on."""

    def check(self, token: int) -> None:
        """Raise ``StoreUnavailable`` if the store has died meanwhile."""


#: The counter and token of the current operation.
current: ContextVar[tuple[Any, int] | None] = ContextVar("sessionkeeper_operation", default=None)


@contextmanager
def waiting() -> Iterator[None]:
    """Do not count the current operation in this block."""
    operation = current.get()
    if operation is None:
        yield
        return
    counter, token = operation
    counter.pause(token)
    try:
        yield
    finally:
        counter.resume(token)


def in_thread(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function for a thread. From now until the thread calls it, the operation is not counted."""
    operation = current.get()
    if operation is None:
        return function
    counter, token = operation
    counter.pause(token)

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        counter.resume(token)
        return function(*args, **kwargs)

    return run


def go_on() -> None:
    """Go on after the wait.

    Raises:
        StoreUnavailable: the store has died meanwhile, so the operation is refused like a new one.
    """
    operation = current.get()
    if operation is not None:
        operation[0].check(operation[1])
