"""The operations of the contract: every store has them all. What they promise is in tests/contract."""

from __future__ import annotations

import inspect

import pytest

from sessionkeeper.stores.base import Store
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.factory import CircuitBreakerStore
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import near

OPERATIONS = [name for name, value in vars(Store).items() if inspect.isfunction(value) and name[0] != "_"]


#: A near cache hands some of them to the store below as they are.
STORES = [DatabaseStore, RedisStore, CircuitBreakerStore, near(DatabaseStore())]


def parameters(store, name):
    return [one for one in inspect.signature(getattr(store, name)).parameters if one != "self"]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_store_takes_what_the_contract_says(store, name):
    assert parameters(store, name) in (parameters(Store, name), ["args", "kwargs"])
