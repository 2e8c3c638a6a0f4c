"""What Django is told of a session that has gone or changed under a request."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import SessionMiddleware
from tests import contents

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.unit.middleware.test_session"),
]

#: What the next request does, by name; sync functions of the request.
ACTIONS = {}


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


def test_a_session_that_ended_while_it_was_written_to_is_djangos_400(browser):
    browser.put("a")
    session_id = keys.parse(browser.key).id
    response = browser.do(put_and(lambda request: contents.drop(session_id) and None))
    assert response.status_code == 400
    assert "sessionid" not in response.cookies or response.cookies["sessionid"]["max-age"] == 0
    assert not contents.records()


def test_a_session_that_ended_while_it_was_written_to_raises_sessioninterrupted():
    session = SessionStore()
    session["a"] = 1
    session.save()
    request = RequestFactory().get("/", headers={"cookie": f"sessionid={session.session_key}"})
    view = put_and(lambda request: session.delete() or HttpResponse())
    with pytest.raises(SessionInterrupted, match="deleted before the request completed"):
        SessionMiddleware(view)(request)


def test_a_session_that_was_renewed_while_it_was_written_to_says_so(browser):
    browser.put("a")
    response = browser.do(put_and(lambda request: SessionStore(browser.key).cycle_key()))
    assert response.status_code == 409
    assert response.json()["code"] == "session_rotated"
    assert not response.cookies
    assert "b" not in stored_data(browser)


def stored_data(browser):
    """The data of the browser's session, whoever holds the key now."""
    return contents.data(keys.parse(browser.key).id)
