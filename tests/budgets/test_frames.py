"""How far it is from a request to the database: the frames between, and the modules that are entered."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

import sessionkeeper
from tests.conftest import PASSWORD

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls(__name__),
    pytest.mark.database_store_only("the way to the SQL is the database store's"),
]

#: Ours on the stack from the view's ``request.user`` to the cursor: seven, and the circuit breaker.
FRAMES, MODULES = 8, 7
#: Modules that are entered in a request in which the view asks who is signed in.
OF_A_GET = 20
#: Modules that are entered in a sign-in by the API.
OF_A_SIGN_IN = 30
PACKAGE = str(Path(sessionkeeper.__file__).parent)
#: Listens to every user object once a test of this process has run under ``DEBUG``.
OF_DEBUG = "sessionkeeper.middleware.forgotten_login"


def me(request):
    return HttpResponse(str(request.user.pk))


urlpatterns = [path("me/", me), path("api/auth/", include("sessionkeeper.api.urls"))]


class Way:
    """What a request passes: all modules of ours, and the deepest stack from the view to a statement."""

    def __init__(self):
        self.modules = set()
        self.frames = []

    def note(self, frame, event, _):
        """Take note of one call; for ``sys.setprofile``."""
        if event != "call":
            return
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE) and frame.f_globals["__name__"] != OF_DEBUG:
            self.modules.add(frame.f_globals["__name__"])
        elif frame.f_code.co_name == "execute" and "django/db/backends" in file:
            self._note_stack(frame)

    def _note_stack(self, frame):
        ours = []
        while frame is not None and frame.f_code is not me.__code__:
            if frame.f_code.co_filename.startswith(PACKAGE):
                ours.append((frame.f_globals["__name__"], frame.f_code.co_name))
            frame = frame.f_back
        if frame is not None and len(ours) > len(self.frames):
            self.frames = ours[::-1]


@contextmanager
def watched():
    """Watch what happens inside."""
    way, before = Way(), sys.getprofile()
    sys.setprofile(way.note)
    try:
        yield way
    finally:
        sys.setprofile(before)


@pytest.fixture
def client(make_user):
    """A browser that is signed in, on a site whose statement is compiled."""
    client = Client()
    client.user = make_user()
    client.force_login(client.user)
    client.get("/me/")
    return client


def test_few_frames_are_between_the_user_and_the_statement(client):
    with watched() as way:
        assert client.get("/me/").content == str(client.user.pk).encode()
    assert way.frames[0] == ("sessionkeeper.engine.principal", "get_user")
    assert len(way.frames) <= FRAMES, way.frames
    assert len({module for module, _ in way.frames}) <= MODULES, way.frames


def test_an_authenticated_request_enters_few_modules(client):
    with watched() as way:
        assert client.get("/me/").content == str(client.user.pk).encode()
    prepared = connection.vendor == "postgresql"  # its statements are prepared, by a module of their own
    assert len(way.modules) <= OF_A_GET + prepared, "\n".join(sorted(way.modules))


def test_a_sign_in_enters_few_modules(client):
    body = {"username": client.user.get_username(), "password": PASSWORD}
    browser = Client(headers={"sec-fetch-site": "same-origin"})
    with watched() as way:
        assert browser.post("/api/auth/login/", body, content_type="application/json").status_code == 200
    returned = 3 if connection.vendor == "postgresql" else 0  # it returns the row as its clock made it
    assert len(way.modules) <= OF_A_SIGN_IN + returned, "\n".join(sorted(way.modules))
