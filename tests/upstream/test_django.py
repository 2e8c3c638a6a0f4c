"""Django's own tests of session backends and middleware, unmodified, on this engine."""

from __future__ import annotations

from importlib import import_module
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core import management
from django.http import HttpResponse
from django.test import TestCase, override_settings

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import SessionMiddleware
from tests import contents

# A module, so that pytest does not collect Django's classes from this one.
django_tests = import_module("sessions_tests.tests")


@pytest.mark.rule("R02")
class TestEngine(django_tests.SessionTestsMixin, TestCase):
    """What Django asks of every backend, and of its database backend where its own model is not meant."""

    backend = SessionStore

    def _two_sessions(self):
        """Store a session that lives and one that has ended."""
        self.session["foo"] = "bar"
        self.session.set_expiry(3600)
        self.session.save()
        other = self.backend()
        other["foo"] = "bar"
        other.set_expiry(-3600)
        other.save()
        assert contents.count() == 2

    def test_clearsessions_command_removes_the_expired_and_leaves_the_live(self):
        self._two_sessions()
        management.call_command("clearsessions")
        assert [one.id for one in contents.records()] == [keys.parse(self.session.session_key).id]

    async def test_aclear_expired_removes_the_expired_and_leaves_the_live(self):
        await self.session.aset("key", "value")
        await self.session.aset_expiry(3600)
        await self.session.asave()
        other = self.backend()
        await other.aset("key", "value")
        await other.aset_expiry(-3600)
        await other.asave()
        assert await sync_to_async(contents.count)() == 2
        await other.aclear_expired()
        assert await sync_to_async(contents.count)() == 1


@override_settings(USE_TZ=False)
class TestEngineWithoutTimeZones(TestEngine):
    """The same with naive datetimes."""


class TestDjangoMiddleware(django_tests.SessionMiddlewareTests):
    """Django's middleware over this engine."""

    middleware = DjangoSessionMiddleware

    def setUp(self):
        patch = mock.patch.object(django_tests, "SessionMiddleware", self.middleware)
        patch.start()
        self.addCleanup(patch.stop)

    def test_empty_session_saved(self):
        """A session that was emptied but has a key is updated (Django's own looks it up by clear key)."""

        def view(request):
            request.session["foo"] = "bar"
            return HttpResponse("Session test")

        request = self.request_factory.get("/")
        middleware = self.middleware(view)
        response = middleware(request)
        assert tuple(request.session.items()) == (("foo", "bar"),)
        assert response.cookies[settings.SESSION_COOKIE_NAME].value == request.session.session_key
        assert response.headers["Vary"] == "Cookie"

        del request.session["foo"]
        response = middleware.process_response(request, HttpResponse("Session test"))
        assert list(request.session.values()) == []
        assert contents.data(keys.parse(request.session.session_key).id) == {}
        assert response.cookies[settings.SESSION_COOKIE_NAME].value == request.session.session_key
        assert response.headers["Vary"] == "Cookie"


class TestOurMiddleware(TestDjangoMiddleware):
    """Our middleware in its place."""

    middleware = SessionMiddleware
