"""Async forms of the methods of a session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from sessionkeeper.stores.factory import run_in_loop

_P = ParamSpec("_P")
_T = TypeVar("_T")


def async_form(
    method: Callable[Concatenate[Any, _P], _T],
) -> Callable[Concatenate[Any, _P], Coroutine[Any, Any, _T]]:
    """Return the async form of a method. It takes a thread if the store cannot wait in the event loop."""
    name = method.__name__

    async def run(self: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await run_in_loop(partial(getattr(self, name), *args, **kwargs))

    run.__name__, run.__doc__ = f"a{name}", f"Async form of :meth:`{name}`."
    return run
