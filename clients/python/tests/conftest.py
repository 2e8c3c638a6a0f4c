"""The client against a live server, blocking and not."""

from __future__ import annotations

import inspect

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model

from client_site import HTTP, PASSWORD
from sessionkeeper_client.async_client import AsyncClient
from sessionkeeper_client.client import Client


class Awaited:
    """An AsyncClient that tests can use as they use a Client."""

    def __init__(self, *args, **kwargs):
        self._client = AsyncClient(*args, **kwargs)

    def __getattr__(self, name):
        attribute = getattr(self._client, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute

        async def call(*args, **kwargs):
            try:
                return await attribute(*args, **kwargs)
            finally:  # each call has a loop of its own, which connections do not outlive
                await self._client._http._transport.aclose()

        return async_to_sync(call)

    def close(self):
        """Close it."""
        self.aclose()


@pytest.fixture(params=["blocking", "nonblocking"])
def kind(request):
    """Both kinds of clients, used alike."""
    return {"blocking": Client, "nonblocking": Awaited}[request.param]


@pytest.fixture
def make(kind, live_server):
    """A function that makes a client of the live server; all are closed."""
    made = []

    def function(**options):
        made.append(kind(options.pop("url", live_server.url), http_options=HTTP, **options))
        return made[-1]

    yield function
    for client in made:
        client.close()


@pytest.fixture
def alice(transactional_db):
    """A user."""
    return get_user_model().objects.create_user("alice", "alice@example.org", PASSWORD)
