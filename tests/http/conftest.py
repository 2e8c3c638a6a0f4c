"""A browser without a screen: cookies, CSRF checks as in production, JSON bodies."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from tests.conftest import PASSWORD

AUTH = "/api/auth/"


class Api(Client):
    """Django's test client with the CSRF check on, and short ways to the API."""

    def __init__(self, **defaults):
        super().__init__(enforce_csrf_checks=True, **defaults)

    def token(self):
        """Fetch a token, and with it the cookie."""
        return self.get(AUTH + "csrf/").json()["csrf_token"]

    def send(self, path, body=None, *, method="post", **extra):
        """Send JSON with a fresh token."""
        headers = {"X-CSRFToken": self.token(), **extra.pop("headers", {})}
        return getattr(self, method)(
            path, body or {}, content_type="application/json", headers=headers, **extra
        )

    def log_in(self, user, password=PASSWORD, **fields):
        """Sign in through the endpoint."""
        body = {"username": user.get_username(), "password": password, **fields}
        return self.send(AUTH + "login/", body)

    def log_out(self):
        """Sign out through the endpoint."""
        return self.send(AUTH + "logout/")

    def whoami(self):
        """Ask who is signed in."""
        return self.get(AUTH + "session/")

    @property
    def key(self):
        """The session key that the client holds, or None."""
        morsel = self.cookies.get(settings.SESSION_COOKIE_NAME)
        return morsel.value if morsel is not None and morsel.value else None

    @key.setter
    def key(self, value):
        self.cookies[settings.SESSION_COOKIE_NAME] = value


@pytest.fixture
def api(db):
    """A visitor."""
    return Api()


@pytest.fixture
def alice(make_user):
    """A user."""
    return make_user(email="alice@example.org")


@pytest.fixture
def signed_in(api, alice):
    """A visitor who signed in as alice."""
    assert api.log_in(alice).status_code == 200
    return api


def problem(response, status, code):
    """Check that a response is this problem in the form of RFC 9457, and return its members."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    members = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(members)
    assert (members["status"], members["code"]) == (status, code)
    assert members["type"] == f"urn:sessionkeeper:problem:{code}"
    assert members["title"]
    assert members["detail"]
    return members
