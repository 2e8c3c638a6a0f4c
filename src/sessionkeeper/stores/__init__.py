"""Stores: where sessions live. :func:`get_store` returns the one that the settings name."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sessionkeeper import conf

if TYPE_CHECKING:
    from sessionkeeper.stores.base import Store


def get_store() -> Store:
    """Return the store of ``SESSIONKEEPER["STORE"]``, made once per URL."""
    return _open(conf.current().store)


@lru_cache(maxsize=8)
def _open(url: str) -> Store:
    # Imported late: models can only be imported once the application registry is ready.
    from sessionkeeper.stores.database import DatabaseStore

    return DatabaseStore(url.partition(":")[2] or None)
