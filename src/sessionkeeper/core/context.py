"""The request under way, and the session that the code running now belongs to.

The session lets a change of the user's password spare the session in which it was made, and tells the
middleware that the request itself ended its session. What else belongs to a request is kept by the module
that needs it, in a :func:`variable` of its own.
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
    """The session of one request: its id, and whether the request ended it through its user.

    Outside of requests it is the session used last. The object is shared by all threads and tasks that one
    request runs in; only the reference is copied along.
    """

    in_request: bool = False
    id: int | None = None
    ended: bool = False
    _holder: weakref.ref[Any] | None = None

    def claim(self, session_id: int, holder: object) -> None:
        """Make ``session_id`` the request's session, unless somebody else than ``holder`` has claimed one.

        The first claim counts: code may open sessions that are not the request's own, as a list of all the
        user's devices does when it looks into each.
        """
        claimed_by = None if self._holder is None else self._holder()
        if not self.in_request or claimed_by is None or claimed_by is holder:
            self.id, self._holder = session_id, weakref.ref(holder)


_variables: list[ContextVar[Any]] = []


def variable(name: str) -> ContextVar[Any]:
    """Return a new context variable that is None when a request begins and after it has ended."""
    made: ContextVar[Any] = ContextVar(f"sessionkeeper_{name}", default=None)
    _variables.append(made)
    return made


_session: ContextVar[CurrentSession | None] = variable("session")
_request: ContextVar[weakref.ref[HttpRequest] | None] = variable("request")
_last_steps: ContextVar[list[Callable[[], object]] | None] = variable("last_steps")


def begin(request: HttpRequest | None = None, **_: Any) -> None:
    """Start a request: no session yet. Also a receiver of Django's ``request_started``."""
    for each in _variables:
        each.set(None)
    _session.set(CurrentSession(in_request=True))
    _request.set(None if request is None else weakref.ref(request))


def end(**_: Any) -> None:
    """End a request: what runs now belongs to none. Also a receiver of Django's ``request_finished``."""
    for step in _last_steps.get() or ():
        step()
    for each in _variables:
        each.set(None)


def at_end(step: Callable[[], object]) -> None:
    """Call ``step`` when the request ends."""
    _last_steps.set([*(_last_steps.get() or ()), step])


def current_session() -> CurrentSession:
    """Return the session that the code running now belongs to."""
    value = _session.get()
    if value is None:
        value = CurrentSession()
        _session.set(value)
    return value


def current_request() -> HttpRequest | None:
    """Return the request, where our middleware has told of it and it is not over; else None."""
    reference = _request.get()
    return None if reference is None else reference()
