"""Builds the store that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

from asgiref.sync import sync_to_async

from sessionkeeper import conf
from sessionkeeper.conf import redis_url
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.core import greenlets
from sessionkeeper.stores.circuit_breaker import CircuitBreakerStore
from sessionkeeper.stores.near_cache.store import NearCacheStore

if TYPE_CHECKING:
    from sessionkeeper.stores.base import Store
    from sessionkeeper.stores.circuit_breaker import CircuitBreaker
    from sessionkeeper.stores.near_cache.channel import Channel
    from sessionkeeper.stores.redis.store import RedisStore

_T = TypeVar("_T")


def get_store() -> Store:
    """Return the store of ``SESSIONKEEPER["STORE"]``, behind a circuit breaker, and a near cache if on."""
    settings = conf.current()
    if settings.near_cache is None:
        return _open(settings.store)
    return _open_near(settings.store, settings.near_cache)


async def run_in_loop(function: Callable[[], _T]) -> _T:
    """Run a function that uses the store, from async code: in the event loop if the store can wait there."""
    if get_store().waits_in_loop and greenlets.is_possible():
        return await greenlets.greenlet_spawn(function)
    return await sync_to_async(function)()


def get_near_cache() -> NearCacheStore | None:
    """Return this process's near cache, or None where it is off or the store has no channel."""
    store = get_store()
    return store if isinstance(store, NearCacheStore) else None


def get_breaker() -> CircuitBreaker:
    """Return the circuit breaker of this process's store. Its counters can be used as metrics."""
    return _open(conf.current().store).breaker


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
