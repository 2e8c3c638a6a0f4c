"""The current request and its session.

A change of the user's password spares this session, and the middleware learns from it that the request ended
its own session. Other state of a request is in the modules that need it, each in a :func:`variable`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(slots=True)
class CurrentSession:
    """The session of one request: its id, and whether the request ended it.

    Outside of requests it is the session used last. All threads and tasks of a request share the object; only
    the reference is copied.
    """

    in_request: bool = False
    id: int | None = None
    ended: bool = False
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
    for each in _variables:
        each.set(None)
    _session.set(CurrentSession(in_request=True))
    _request.set(None if request is None else weakref.ref(request))


def end(**_: Any) -> None:
    """End a request. Also a receiver of Django's ``request_finished``."""
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


def current_request() -> HttpRequest | None:
    """Return the current request, if there is one and our middleware is installed; else None."""
    reference = _request.get()
    return None if reference is None else reference()
