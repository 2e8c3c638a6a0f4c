"""Lets the session of a request follow its transaction.

Before the key, the user or the stored data of a session change in a transaction, its state is kept. If the
transaction or the savepoint is rolled back, the session has that state again: the key that opens it, and the
user who is signed in. Data remain, but are unsaved again, so that the end of the request saves them. Only a
sign-in takes with it what the session was given after it, which may be the user's own.
"""

from __future__ import annotations

import weakref
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import auth
from django.utils.functional import SimpleLazyObject

from sessionkeeper.core import context
from sessionkeeper.core.records import SessionPatch
from sessionkeeper.stores import codec

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore

#: Data that say who is signed in, and what was proved, begin with these.
_IDENTITY = ("_auth_user", "_sessionkeeper")
_ATTRIBUTES = ("held", "cookie_due", "adopted")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a session was before a change.

    Attributes:
        attributes: those of the ``SessionStore``.
        active: the state of its ``ActiveSession``.
        data: all data before a sign-in, otherwise those of the user; None if the session was not loaded.
        is_sign_in: whether a user is about to sign in.
    """

    attributes: dict[str, Any]
    active: dict[str, Any]
    data: dict[str, Any] | None
    is_sign_in: bool


def keep(session: SessionStore, alias: str | None, *, is_sign_in: bool = False) -> None:
    """Keep the state of a session, to which a rollback of this database's transaction returns it."""
    data = getattr(session, "_session_cache", None)
    if data is not None:
        data = deepcopy(data) if is_sign_in else _identity(data)
    point = Checkpoint(
        {name: getattr(session, name) for name in _ATTRIBUTES},
        session._active.state(),
        data,
        is_sign_in,
    )
    session.checkpoints.append(point)
    holder = weakref.ref(session)
    context.on_rollback(alias, partial(_return_to, holder, point), partial(_forget, holder))


def _forget(holder: weakref.ref[SessionStore]) -> None:
    session = holder()
    if session is not None:  # all are of the transaction that was committed
        session.checkpoints.clear()


def _return_to(holder: weakref.ref[SessionStore], point: Checkpoint) -> None:
    session = holder()
    while session is not None and point in session.checkpoints:
        _restore(session, session.checkpoints.pop())


def _restore(session: SessionStore, point: Checkpoint) -> None:
    data = getattr(session, "_session_cache", {})
    if point.data is None:
        # Loading is what was undone, so the session is loaded again, and gets what is unsaved.
        session.unsaved = session._active.unsaved(data)
        vars(session).pop("_session_cache", None)
        session._active.verdict = None
    elif point.is_sign_in:
        vars(session)["_session_cache"] = dict(point.data)
        session.client.label = session.client.amr = ""
        session.sign_in_undone = True
        _take_user(session)
    else:
        for name in _identity(data):
            del data[name]
        data.update(point.data)
    session._active.restore(point.active)
    for name, value in point.attributes.items():
        setattr(session, name, value)
    session.modified = True


def add_unsaved(data: dict[str, Any], unsaved: SessionPatch) -> dict[str, Any]:
    """Return the data of a session with what was not saved."""
    kept = {} if unsaved.replace else {name: data[name] for name in data if name not in unsaved.deleted}
    return {**kept, **codec.decode(unsaved.patch)}


def _identity(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if str(name).startswith(_IDENTITY)}


def _take_user(session: SessionStore) -> None:
    """Let the request find its user again, whom ``login()`` has set."""
    request: Any = context.current_request()
    if request is None or getattr(request, "session", None) is not session or not hasattr(request, "user"):
        return
    for name in ("_cached_user", "_acached_user"):
        vars(request).pop(name, None)
    request.user = SimpleLazyObject(partial(auth.get_user, request))
    request.auser = partial(auth.aget_user, request)
