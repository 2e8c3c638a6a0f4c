"""The Valkey/Redis store: a hash for each session, and an atomic script for each write."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from sessionkeeper.conf import redis_url

if TYPE_CHECKING:
    from sessionkeeper.stores.redis.store import RedisStore

#: The error and the hint where redis-py is not installed.
MISSING = "SESSIONKEEPER['STORE'] names a Valkey or Redis, and the package redis is not installed."
INSTALL = 'Install it with: pip install "django-sessionkeeper[redis]"'


def is_installed() -> bool:
    """Whether redis-py is installed."""
    return find_spec("redis") is not None


def open_store(url: str) -> RedisStore:
    """Return the store at this URL. It connects at its first use.

    Raises:
        ImproperlyConfigured: redis-py is not installed.
    """
    if not is_installed():
        raise ImproperlyConfigured(f"{MISSING} {INSTALL}")
    from sessionkeeper.stores.redis.store import RedisStore

    return RedisStore(redis_url.parse(url))
