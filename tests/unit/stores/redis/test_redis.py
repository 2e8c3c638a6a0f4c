"""A store at a URL of a Valkey or Redis."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from sessionkeeper.stores import redis


def test_opening_a_store_connects_to_nothing():
    store = redis.open_store("redis://127.0.0.1:1/3?prefix=site:")
    assert (store.client.url.db, store.client.url.prefix) == (3, "site:")


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(redis, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match="pip install"):
        redis.open_store("redis://127.0.0.1:1/0")
