"""A site that does what a test says, and a browser for it, sync and async."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

ACTIONS = {}


def act(request, name):
    return ACTIONS[name](request) or HttpResponse("done")


urlpatterns = [path("<str:name>/", act)]


class Browser:
    """A browser over Django's handlers."""

    def __init__(self, kind, **options):
        self.kind = kind
        self.client = {"sync": Client, "async": AsyncClient}[kind](**options)

    def do(self, action, **headers):
        """Run a function as a view."""
        ACTIONS["it"] = action
        get = self.client.get if self.kind == "sync" else async_to_sync(self.client.get)
        return get("/it/", headers=headers)

    @property
    def key(self):
        """The key in the cookie, or None."""
        morsel = self.client.cookies.get("sessionid")
        return morsel.value if morsel and morsel.value else None

    def sign_in(self, user):
        """Sign in by Django's function."""
        return self.do(lambda request: auth.login(request, user, "django.contrib.auth.backends.ModelBackend"))

    def whoami(self):
        """Ask for the user's key."""
        return self.do(lambda request: HttpResponse(str(request.user.pk))).text

    def put(self, name, value=1):
        """Store a value."""
        return self.do(lambda request: request.session.__setitem__(name, value))


@pytest.fixture(params=["sync", "async"])
def browser(request):
    """A browser."""
    return Browser(request.param, raise_request_exception=False)


def put_and(then):
    """Return a view that writes, and then does something else."""

    def view(request):
        request.session["b"] = 2
        return then(request)

    return view
