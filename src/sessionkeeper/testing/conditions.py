"""Conditions that are hard to bring about in a test: a locked account, and a store that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sessionkeeper import conf
from sessionkeeper.auth import lockout
from sessionkeeper.core import context
from sessionkeeper.core.errors import StoreUnreachable, TooManyTries
from sessionkeeper.core.records import MOST_FAILURES
from sessionkeeper.stores.base import Store
from sessionkeeper.stores.factory import get_guarded_store

#: Operations that need the store; the rest are properties, and ``user_changed``, which never fails.
_OPERATIONS = {
    name
    for name, value in vars(Store).items()
    if callable(value) and not name.startswith("_") and name != "user_changed"
}


def lock_account(user: Any) -> int:
    """Lock an account by failed sign-ins from an unknown device; return the seconds until the next attempt.

    The failures are counted as those of real attempts, without hashing a password. ``flows.unlock`` lifts it.

    Raises:
        ValueError: ``LOCKOUT`` is off.
    """
    if not conf.current().lockout:
        raise ValueError("LOCKOUT is off, so no account is ever locked.")
    credentials = {user.USERNAME_FIELD: user.get_username(), "username": user.get_username(), "password": ""}
    for _ in range(MOST_FAILURES + 1):
        context.begin()
        try:
            lockout.begin(None, credentials)
            lockout.failed(None, credentials, user.pk)
        except TooManyTries as error:
            return error.retry_after
        finally:
            lockout.under_way.set(None)
            context.end()
    raise AssertionError("The lockout never refused an attempt.")


@contextmanager
def store_outage() -> Iterator[None]:
    """Let every operation of the session store fail in this block, as if its server did not answer.

    All threads of the process are affected, and your own models are not, even if they are in the same
    database. Afterwards the circuit breaker is as in a new process.
    """
    guarded = get_guarded_store()
    answering = guarded.store
    guarded.store = _Silent(answering)
    try:
        yield
    finally:
        guarded.store = answering
        guarded.breaker.reset()


class _Silent:
    """A store whose operations fail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return _fail if name in _OPERATIONS else getattr(self._store, name)


def _fail(*args: Any, **kwargs: Any) -> Any:
    raise StoreUnreachable("The session store did not answer: this test uses store_outage().")
