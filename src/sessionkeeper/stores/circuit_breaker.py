"""A breaker: while a store gives no sign of life, a process refuses at once instead of waiting for it.

Without one every worker of a server ends up waiting for the same dead store, pages that need no session
included. It opens after a few outages without an answer in between, lets one operation through now and then
to see, and closes with the first answer. It is one process's own, and asks nobody.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakSet

from sessionkeeper.core.errors import SessionKeeperError, StoreBusy, StoreUnavailable, StoreUnreachable
from sessionkeeper.core.keys import MAX_ID
from sessionkeeper.core.records import Expired, Lookup, NewSession, Revoked, SessionPatch, SessionRecord
from sessionkeeper.stores.base import Store

#: Outages, or operations that still wait, without an answer in between, that open it.
OUTAGES: Final = 5
#: Seconds without any answer before it opens, and after which, mostly, an operation counts as one that waits.
QUIET: Final = 1.0
#: Seconds from a failed try to the next one.
PAUSE: Final = 1.0
#: Seconds after which another operation is let through, although the one before has not come back.
LEASE: Final = 4.0

log = logging.getLogger("sessionkeeper.store")


@dataclass(slots=True)
class Counters:
    """What a breaker has seen since its process started. Read it for a metric; it is never reset.

    Attributes:
        outages: operations that the store did not answer.
        opened: times that the breaker opened.
        refused: operations that were refused at once.
        probes: operations that were let through to see.
    """

    outages: int = 0
    opened: int = 0
    refused: int = 0
    probes: int = 0


class CircuitBreaker:
    """Counts what becomes of operations. Safe under threads, in event loops and after a fork; never waits.

    Args:
        clock: seconds that only grow; for tests.
        patience: seconds after which an operation counts as one that waits, if that is longer than usual.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, patience: float = QUIET) -> None:
        self.counters = Counters()
        self._clock = clock
        self._patience = max(patience, QUIET)
        self._tokens = count()
        self.reset()
        _all.add(self)

    def reset(self) -> None:
        """Close it and forget who waits; for the child of a fork."""
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        self._failures = 0
        self._answered_at = self._clock()
        self._next_try: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether operations are refused."""
        return self._next_try is not None

    def enter(self) -> int:
        """Let an operation begin. Return what :meth:`leave` must be given when it has ended.

        Raises:
            StoreUnavailable: the store gave no sign of life, and this is not the operation to see about it.
        """
        now = self._clock()
        if self._next_try is not None or len(self._waiting) >= OUTAGES:
            self._admit(now)
        token = next(self._tokens)
        self._waiting[token] = now
        return token

    def _admit(self, now: float) -> None:
        with self._lock:
            if self._next_try is None:
                self._open_if_dead(now)
            if self._next_try is None:
                return
            if now < self._next_try:
                self.counters.refused += 1
                raise StoreUnavailable("The session store has not answered; it was not asked again.")
            self._next_try = now + LEASE
            self.counters.probes += 1

    def leave(self, token: int, error: BaseException | None) -> None:
        """Take note that an operation has ended, with ``error`` or None."""
        self._waiting.pop(token, None)
        if error is None or (
            isinstance(error, SessionKeeperError) and not isinstance(error, StoreUnreachable | StoreBusy)
        ):
            self._answered_at = self._clock()
            if self._failures or self._next_try is not None:
                self._heal()
        elif isinstance(error, StoreUnreachable):
            self._fail(self._clock())

    def _fail(self, now: float) -> None:
        with self._lock:
            self.counters.outages += 1
            self._failures += 1
            if self._next_try is None:
                self._open_if_dead(now)
            else:
                self._next_try = now + PAUSE

    def _heal(self) -> None:
        with self._lock:
            self._failures = 0
            if self._next_try is not None:
                self._next_try = None
                log.warning("The session store answers again.")

    def _open_if_dead(self, now: float) -> None:
        if now - self._answered_at < QUIET:
            return  # others are answered: a part of a Cluster, or a moment
        # What has waited since long before the last answer waits for something else: a lock, say.
        oldest, newest = self._answered_at - self._patience, now - self._patience
        waiting = sum(oldest <= began <= newest for began in list(self._waiting.values()))
        if self._failures + waiting >= OUTAGES:
            self._next_try = now + PAUSE
            self.counters.opened += 1
            log.warning("The session store does not answer. Requests that need it are refused at once.")


_all: WeakSet[CircuitBreaker] = WeakSet()


def _forget() -> None:
    for breaker in list(_all):
        breaker.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class CircuitBreakerStore:
    """A :class:`~sessionkeeper.stores.base.Store` that refuses while ``store`` shows no life."""

    def __init__(self, store: Store, breaker: CircuitBreaker | None = None) -> None:
        self.store = store
        self.breaker = breaker or CircuitBreaker(patience=store.patience)

    @property
    def alias(self) -> str | None:
        """See the contract."""
        return self.store.alias

    @property
    def waits_in_loop(self) -> bool:
        """See the contract."""
        return self.store.waits_in_loop

    @property
    def patience(self) -> float:
        """See the contract."""
        return self.store.patience

    def _ask(self, operation: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        token = self.breaker.enter()
        try:
            answer = operation(*args, **kwargs)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return answer

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        """See the contract."""
        token = self.breaker.enter()  # as _ask() does, but for what every request pays for its generality
        try:
            found = self.store.find(session_id, principal=principal)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return found

    def insert(self, new: NewSession) -> tuple[SessionRecord, list[int]]:
        """See the contract."""
        return self._ask(self.store.insert, new)

    def merge(
        self, session_id: int, secret_hash: bytes, changes: SessionPatch, seen: SessionRecord | None
    ) -> tuple[SessionRecord, list[int]]:
        """See the contract."""
        return self._ask(self.store.merge, session_id, secret_hash, changes, seen)

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """See the contract."""
        self._ask(self.store.rotate, session_id, secret_hash, new_secret, new_family)

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes) -> bool:
        """See the contract."""
        return self._ask(self.store.renew, session_id, secret_hash, new_secret)

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """See the contract."""
        return self._ask(self.store.touch, session_id, secret_hash)

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> Revoked | None:
        """See the contract."""
        return self._ask(self.store.revoke, session_id, secret_hash)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> list[Revoked]:
        """See the contract."""
        return self._ask(self.store.revoke_all, user_id, except_)

    def revoke_many(self, session_ids: Collection[int]) -> list[Revoked]:
        """See the contract."""
        return self._ask(self.store.revoke_many, session_ids)

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._ask(self.store.list_for, user_id, limit, newest)

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._ask(self.store.scan, limit, newest)

    def purge(self, limit: int, after: int = 0) -> tuple[list[Expired], int | None]:
        """See the contract."""
        return self._ask(self.store.purge, limit, after)

    def count(self) -> int:
        """See the contract."""
        return self._ask(self.store.count)

    def user_changed(self, user_id: Any) -> None:
        """See the contract. Best effort in the store itself, so it is not counted."""
        self.store.user_changed(user_id)
