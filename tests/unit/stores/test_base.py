"""The operations of the contract: every store has them all. What they promise is in tests/contract."""

from __future__ import annotations

import inspect

import pytest

from sessionkeeper.stores.base import Store
from sessionkeeper.stores.circuit_breaker import CircuitBreakerStore
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.near_cache.store import NearCacheStore
from sessionkeeper.stores.redis.store import RedisStore

OPERATIONS = [name for name, value in vars(Store).items() if inspect.isfunction(value) and name[0] != "_"]


@pytest.mark.parametrize("kind", [DatabaseStore, RedisStore, NearCacheStore, CircuitBreakerStore])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_store_takes_what_the_contract_says(kind, name):
    promised, given = inspect.signature(getattr(Store, name)), inspect.signature(getattr(kind, name))
    if all(one.kind in {one.VAR_POSITIONAL, one.VAR_KEYWORD} for one in [*given.parameters.values()][1:]):
        return  # passes on whatever it is given
    assert [*given.parameters] == [*promised.parameters]
