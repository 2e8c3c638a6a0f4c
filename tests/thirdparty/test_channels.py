"""Channels: a websocket is signed in by the session cookie, and may sign somebody in."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack, login, logout
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from django.test import Client

from sessionkeeper.engine import registry
from sessionkeeper.models import Session

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Nothing here goes through Django's middleware.
    pytest.mark.parametrize("middleware", ["Django's middleware"], indirect=True),
]


class Consumer(AsyncJsonWebsocketConsumer):
    """Says who is signed in, signs in and out."""

    async def receive_json(self, content):
        """Do what is asked for."""
        session = self.scope["session"]
        if name := content.get("sign_in"):
            session.client.address = self.scope["client"][0]
            session.client.user_agent = dict(self.scope["headers"]).get(b"user-agent", b"").decode("latin1")
            user = await get_user_model().objects.aget(username=name)
            await login(self.scope, user, "django.contrib.auth.backends.ModelBackend")
            await database_sync_to_async(session.save)()
        elif content.get("sign_out"):
            await logout(self.scope)
        await self.send_json({"user": self.scope["user"].get_username(), "key": session.session_key})


class Connection(ApplicationCommunicator):
    """A websocket of a browser. What Channels has for tests needs its web server installed."""

    def __init__(self, cookie=""):
        headers = [(b"cookie", f"sessionid={cookie}".encode()), (b"user-agent", b"Browser/1.0")]
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": headers,
            "query_string": b"",
            "subprotocols": [],
            "client": ["192.0.2.7", 50000],
        }
        super().__init__(AuthMiddlewareStack(Consumer.as_asgi()), scope)

    async def __aenter__(self):
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(timeout=20))["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=20)

    async def ask(self, **content):
        """Send something; return the answer."""
        await self.send_input({"type": "websocket.receive", "text": json.dumps(content)})
        return json.loads((await self.receive_output(timeout=20))["text"])


async def test_a_handshake_is_signed_in_by_the_cookie_until_the_session_ends(alice):
    client = Client()
    await sync_to_async(client.force_login)(alice)
    cookie = client.cookies["sessionid"].value
    async with Connection(cookie) as socket:
        assert (await socket.ask())["user"] == "alice"
    await sync_to_async(registry.revoke_all)(alice)
    async with Connection(cookie) as socket:
        assert (await socket.ask())["user"] == ""


async def test_a_websocket_signs_in_with_the_facts_that_it_states_and_out(alice):
    async with Connection() as socket:
        assert (await socket.ask())["user"] == ""
        answer = await socket.ask(sign_in="alice")
        assert answer["user"] == "alice"
        session = await Session.objects.aget()
        assert (session.user_id, session.ip_address) == (alice.pk, "192.0.2.7")
        assert session.user_agent == "Browser/1.0"
        async with Connection(answer["key"]) as other:
            assert (await other.ask())["user"] == "alice"
        assert (await socket.ask(sign_out=True))["user"] == ""
        assert await Session.objects.acount() == 0
