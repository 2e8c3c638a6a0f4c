"""Stores: where sessions live. :func:`get_store` returns the one that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from asgiref.sync import sync_to_async

from sessionkeeper import bridge, conf, store_url
from sessionkeeper.near_options import NearCache
from sessionkeeper.stores.guarded import GuardedStore
from sessionkeeper.stores.near import NearStore

if TYPE_CHECKING:
    from sessionkeeper.stores.base import Store
    from sessionkeeper.stores.breaker import Breaker
    from sessionkeeper.stores.near import Channel


_T = TypeVar("_T")


def get_store() -> Store:
    """Return the store of ``SESSIONKEEPER["STORE"]``, made once per URL: breaker, and near cache if on."""
    settings = conf.current()
    if settings.near_cache is None:
        return _open(settings.store)
    return _open_near(settings.store, settings.near_cache)


async def beside(function: Callable[[], _T]) -> _T:
    """Run, from async code, what reaches the store: in the event loop if the store can wait there."""
    if getattr(get_store(), "waits_in_loop", False) and bridge.is_possible():
        return await bridge.run(function)
    return await sync_to_async(function)()


def near_cache() -> NearStore | None:
    """Return this process's near cache; None where it is off, or the store has no channel for it."""
    store = get_store()
    return store if isinstance(store, NearStore) else None


def get_breaker() -> Breaker:
    """Return the breaker of this process's store; its counters are for a metric."""
    return _open(conf.current().store).breaker


@lru_cache(maxsize=8)
def _open_near(url: str, options: NearCache) -> Store:
    store = _open(url)
    channel = _channel(url, store, options)
    return store if channel is None else NearStore(store, channel, options)


def _channel(url: str, store: GuardedStore, options: NearCache) -> Channel | None:
    if store_url.is_redis(url):
        from sessionkeeper.stores.redis.channel import RedisChannel

        return RedisChannel(store.client)
    from sessionkeeper.stores.notify import PostgresChannel

    alias = str(store.alias)
    return PostgresChannel(alias, options.channel) if PostgresChannel.serves(alias) else None


@lru_cache(maxsize=8)
def _open(url: str) -> GuardedStore:
    return GuardedStore(_open_bare(url))


def _open_bare(url: str) -> Store:
    if store_url.is_redis(url):
        from sessionkeeper.stores.redis import open_store

        return open_store(url)
    # Imported late: models can only be imported once the application registry is ready.
    from sessionkeeper.stores.database import DatabaseStore

    return DatabaseStore(url.partition(":")[2] or None)
