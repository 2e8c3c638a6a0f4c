"""The session that the code running now belongs to.

Lets a change of the user's password spare the session in which it was made, and tells the middleware that
the request itself ended its session.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Current:
    """The session of one request: its id, and whether this request ended it through its user.

    Outside of requests it is the session used last. ``client`` are the facts of who sent the request, where
    our middleware knows them, ``attempt`` is the try to sign in that is under way, and ``device`` the known
    device that somebody signed in on; ``known_device`` whether the user had signed in on it before;
    ``namespace`` is the tenant that the request is for, noted for code in an event loop, which cannot ask the
    request's thread without waiting.
    """

    in_request: bool = False
    session_id: int | None = None
    ended: bool = False
    client: Any = None
    attempt: Any = None
    device: Any = None
    known_device: bool = False
    namespace: str | None = None
    _holder: weakref.ref[Any] | None = None
    _request: weakref.ref[Any] | None = None

    @property
    def request(self) -> Any:
        """The request, where our middleware has told of it and it is not over; else None."""
        return None if self._request is None else self._request()

    def claim(self, session_id: int, holder: object) -> None:
        """Make ``session_id`` the request's session, unless somebody else than ``holder`` has claimed one.

        The first claim counts: code may open sessions that are not the request's own, as a list of all the
        user's devices does when it looks into each.
        """
        claimed_by = None if self._holder is None else self._holder()
        if not self.in_request or claimed_by is None or claimed_by is holder:
            self.session_id, self._holder = session_id, weakref.ref(holder)


# The object is shared by all threads that one request runs in; only the reference is copied along.
_current: ContextVar[Current | None] = ContextVar("sessionkeeper_current", default=None)


def begin(request: Any = None) -> None:
    """Start a request: no session yet."""
    _current.set(Current(in_request=True, _request=None if request is None else weakref.ref(request)))


def end() -> None:
    """End a request: what runs now belongs to none."""
    _current.set(None)


def get() -> Current:
    """Return what is known of the request under way."""
    value = _current.get()
    if value is None:
        value = Current()
        _current.set(value)
    return value
