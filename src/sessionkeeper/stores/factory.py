"""Builds the store that the settings name, behind a circuit breaker.

While a store is dead, the process refuses operations instead of waiting for it. Otherwise every worker
would end up waiting for the same dead store, and pages that need no session would hang too. The breaker
opens after several outages without an answer in between, lets one operation through now and then as a
probe, and closes with the first answer. Each process has its own; processes do not share its state.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from itertools import count
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async

from sessionkeeper import conf
from sessionkeeper.conf import redis_url
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core import context, own_queue
from sessionkeeper.core.errors import SessionKeeperError, StoreBusy, StoreUnavailable, StoreUnreachable
from sessionkeeper.core.records import Lookup
from sessionkeeper.stores import forks
from sessionkeeper.stores.base import Store
from sessionkeeper.stores.near_cache.store import NearCacheStore

if TYPE_CHECKING:
    from sessionkeeper.stores.near_cache.channel import Channel
    from sessionkeeper.stores.redis.store import RedisStore


_P = ParamSpec("_P")
_T = TypeVar("_T")


def get_store() -> Store:
    """Return the store of ``SESSIONKEEPER["STORE"]``, behind a circuit breaker, and a near cache if on."""
    settings = conf.current()
    if settings.near_cache is None:
        return _open(settings.store)
    return _open_near(settings.store, settings.near_cache)


async def run_in_loop(function: Callable[[], _T]) -> _T:
    """Run a function that uses the store, from async code: in the event loop if the store can wait there."""
    if get_store().waits_in_loop and context.is_possible():
        return await context.greenlet_spawn(function)
    return await sync_to_async(function)()


def async_form(
    method: Callable[Concatenate[Any, _P], _T],
) -> Callable[Concatenate[Any, _P], Coroutine[Any, Any, _T]]:
    """Return the async form of a method. It takes a thread if the store cannot wait in the event loop."""
    name = method.__name__

    async def run(self: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await run_in_loop(partial(getattr(self, name), *args, **kwargs))

    run.__name__, run.__doc__ = f"a{name}", f"Async form of :meth:`{name}`."
    return run


def get_near_cache() -> NearCacheStore | None:
    """Return this process's near cache, or None where it is off or the store has no channel."""
    store = get_store()
    return store if isinstance(store, NearCacheStore) else None


def get_breaker() -> CircuitBreaker:
    """Return the circuit breaker of this process's store. Its counters can be used as metrics."""
    return get_guarded_store().breaker


def get_guarded_store() -> CircuitBreakerStore:
    """Return this process's store behind its breaker, without a near cache."""
    return _open(conf.current().store)


@lru_cache(maxsize=8)
def _open_near(url: str, options: NearCache) -> Store:
    store = _open(url)
    channel = _channel(url, store, options)
    return store if channel is None else NearCacheStore(store, channel, options)


def _channel(url: str, store: CircuitBreakerStore, options: NearCache) -> Channel | None:
    if redis_url.is_redis(url):
        from sessionkeeper.stores.near_cache.redis import RedisChannel

        return RedisChannel(cast("RedisStore", store.store).client)
    from sessionkeeper.stores.near_cache.postgres import PostgresChannel

    alias = str(store.alias)
    return PostgresChannel(alias, options.channel) if PostgresChannel.serves(alias) else None


@lru_cache(maxsize=8)
def _open(url: str) -> CircuitBreakerStore:
    if redis_url.is_redis(url):
        from sessionkeeper.stores.redis import open_store

        return CircuitBreakerStore(open_store(url))
    # Imported late: models can only be imported once the application registry is ready.
    from sessionkeeper.stores.database.store import DatabaseStore

    return CircuitBreakerStore(DatabaseStore(url.partition(":")[2] or None))


#: Outages and waiting operations, without an answer in between, that open the breaker.
OUTAGES: Final = 5
#: Seconds without any answer before it opens; also the least time after which an operation counts as waiting.
QUIET: Final = 1.0
#: Seconds from a failed probe to the next one.
PAUSE: Final = 1.0
#: Seconds after which another probe is let through although the last one has not returned.
LEASE: Final = 4.0

log = logging.getLogger("sessionkeeper.store")


@dataclass(slots=True)
class Counters:
    """What a breaker has counted since its process started. Never reset; made for metrics.

    Attributes:
        outages: operations that the store did not answer.
        opened: how often the breaker opened.
        refused: operations that were refused at once.
        probes: operations that were let through while it was open.
    """

    outages: int = 0
    opened: int = 0
    refused: int = 0
    probes: int = 0


class CircuitBreaker:
    """Tracks operations and their outcome. Safe under threads, in event loops and after a fork; never waits.

    Args:
        clock: a monotonic clock in seconds; for tests.
        patience: seconds after which an operation counts as waiting; at least ``QUIET``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, patience: float = QUIET) -> None:
        self.counters = Counters()
        self._clock = clock
        self._patience = max(patience, QUIET)
        self._tokens = count()
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Close the breaker and forget the operations that wait; for the child of a fork."""
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        self._paused: set[int] = set()
        self._failures = 0
        self._answered_at = self._clock()
        self._next_try: float | None = None
        self._probe = -1

    @property
    def is_open(self) -> bool:
        """Whether operations are refused."""
        return self._next_try is not None

    def enter(self) -> int:
        """Start an operation. Returns the token that :meth:`leave` takes when it has ended.

        Raises:
            StoreUnavailable: the breaker is open, and this operation is not the probe.
        """
        now, token = self._clock(), next(self._tokens)
        if self._next_try is not None or len(self._waiting) >= OUTAGES:
            self._admit(now)
            self._probe = token
        self._waiting[token] = now
        own_queue.current.set((self, token))
        return token

    def pause(self, token: int) -> None:
        """Do not count an operation that waits in a queue of this process."""
        if self._waiting.pop(token, None) is not None:
            self._paused.add(token)

    def resume(self, token: int) -> None:
        """Count it again, from now on; not if it has ended meanwhile."""
        if token in self._paused:
            self._paused.discard(token)
            self._waiting[token] = self._clock()

    def check(self, token: int) -> None:
        """Let an operation go on that has waited in a queue, unless the breaker has opened since it began.

        Raises:
            StoreUnavailable: it has opened, and this operation is not the probe.
        """
        if self._next_try is not None and token != self._probe:
            self._admit(self._clock())

    def _admit(self, now: float) -> None:
        with self._lock:
            if self._next_try is None:
                self._open_if_dead(now)
            if self._next_try is None:
                return
            if now < self._next_try:
                self.counters.refused += 1
                raise StoreUnavailable("The session store does not answer. The operation was refused.")
            self._next_try = now + LEASE
            self.counters.probes += 1

    def leave(self, token: int, error: BaseException | None) -> None:
        """End an operation, with the ``error`` that it raised or None."""
        self._waiting.pop(token, None)
        self._paused.discard(token)
        own_queue.current.set(None)
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
            return  # other operations are answered: only a part of a Cluster is down, or it was a moment
        # An operation that began long before the last answer waits for something else, such as a lock.
        oldest, newest = self._answered_at - self._patience, now - self._patience
        waiting = sum(oldest <= began <= newest for began in list(self._waiting.values()))
        if self._failures + waiting >= OUTAGES:
            self._next_try = now + PAUSE
            self.counters.opened += 1
            log.warning("The session store does not answer. Requests that need it are refused at once.")


def _guarded(
    operation: Callable[Concatenate[Store, _P], _T],
) -> Callable[Concatenate[CircuitBreakerStore, _P], _T]:
    """Return an operation of the contract that counts, or is refused, before the store runs it."""
    name = operation.__name__

    @wraps(operation)
    def run(self: CircuitBreakerStore, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        token = self.breaker.enter()
        try:
            answer: _T = getattr(self.store, name)(*args, **kwargs)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return answer

    return run


class CircuitBreakerStore:
    """A :class:`~sessionkeeper.stores.base.Store` that refuses operations while ``store`` is dead."""

    def __init__(self, store: Store, breaker: CircuitBreaker | None = None) -> None:
        self.store = store
        self.breaker = breaker or CircuitBreaker(patience=store.patience)
        self.waits_in_loop, self.patience = store.waits_in_loop, store.patience

    @property
    def alias(self) -> str | None:
        return self.store.alias

    def find(self, session_id: int, *, principal: bool = False) -> Lookup | None:
        token = self.breaker.enter()  # as _guarded() does, without what its generality costs each request
        try:
            found = self.store.find(session_id, principal=principal)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return found

    insert = _guarded(Store.insert)
    merge = _guarded(Store.merge)
    rotate = _guarded(Store.rotate)
    renew = _guarded(Store.renew)
    touch = _guarded(Store.touch)
    revoke = _guarded(Store.revoke)
    revoke_all = _guarded(Store.revoke_all)
    revoke_many = _guarded(Store.revoke_many)
    list_for = _guarded(Store.list_for)
    find_many = _guarded(Store.find_many)
    scan = _guarded(Store.scan)
    purge = _guarded(Store.purge)
    count = _guarded(Store.count)

    def user_changed(self, user_id: Any) -> None:
        """Best effort in the store itself, so it is not counted."""
        self.store.user_changed(user_id)
