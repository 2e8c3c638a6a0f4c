"""On which channel the scripts tell of the sessions that they change, for the code that runs now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_channel: ContextVar[str] = ContextVar("sessionkeeper_channel", default="")


@contextmanager
def told_on(name: str) -> Iterator[None]:
    """Have every write inside of this tell of its session there, in the same step."""
    token = _channel.set(name)
    try:
        yield
    finally:
        _channel.reset(token)


def with_channel(operation: str) -> str:
    """Return an operation as the script takes it: with the channel behind it, if there is one."""
    name = _channel.get()
    return f"{operation} {name}" if name else operation
