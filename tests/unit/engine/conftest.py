"""Each operation in its sync and in its async form."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync

from tests.unit.middleware.browsing import browser

__all__ = ["browser", "do"]


@pytest.fixture(params=["sync", "async"])
def do(request):
    """Call a method of a session, in its sync or async form."""

    def call(session, name, *args, **kwargs):
        if request.param == "sync":
            name = {"set": "__setitem__"}.get(name, name)
            return getattr(session, name)(*args, **kwargs)
        return async_to_sync(getattr(session, "a" + name))(*args, **kwargs)

    return call
