"""A request of its own for one session: who it was, and what was asked."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.contrib import auth
from django.db import connections
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware


def session_of(user, backend="django.contrib.auth.backends.ModelBackend", **data):
    """Return the key of a session in which a user is signed in."""
    session = SessionStore()
    session.update(
        {
            auth.SESSION_KEY: user._meta.pk.value_to_string(user),
            auth.BACKEND_SESSION_KEY: backend,
            auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
            **data,
        }
    )
    session.save()
    return session.session_key


class Visit:
    """One request with a key: who it was, what was asked, what came back."""

    def __init__(self, key, flavour="sync", alias="default"):
        request = RequestFactory().get("/", headers={"cookie": f"sessionid={key}"})
        with CaptureQueriesContext(connections[alias]) as captured:
            self.response = getattr(self, flavour)(request)
        self.session = request.session
        self.statements = [query["sql"].split()[0] for query in captured if "SAVEPOINT" not in query["sql"]]

    def _answer(self, user):
        self.user = user
        return HttpResponse(str(user.pk))

    def sync(self, request):
        """Go through our middleware, sync."""

        def view(request):
            request.user.is_authenticated  # noqa: B018 - makes it load
            return self._answer(request.user)

        return SessionMiddleware(AuthenticationMiddleware(view))(request)

    def _async(self, request):
        async def view(request):
            return self._answer(await request.auser())

        return async_to_sync(SessionMiddleware(AuthenticationMiddleware(view)))(request)


setattr(Visit, "async", Visit._async)
