"""A browser without a screen, and a program with a token; CSRF checks as in production, JSON bodies."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from sessionkeeper.core import keys
from tests.conftest import PASSWORD, store_of_the_suite

AUTH = "/api/auth/"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
#: What these show is that nobody is asked who it is. That middleware asks first, at every view.
NOT_AGAIN = {
    "test_a_page_that_asks_for_nothing_costs_nothing",
    "test_a_session_in_a_cookie_is_neither_read_nor_changed",
    "test_an_outage_is_a_503_and_signs_nobody_out",  # test_outage.py has it under that middleware
}


def pytest_generate_tests(metafunc):
    """Run what asks for it a second time, in a project that asks everybody to sign in."""
    if "with_and_without_login_required" in metafunc.fixturenames and store_of_the_suite() is None:
        once = connection.vendor == "postgresql" or metafunc.function.__name__ in NOT_AGAIN
        ways = [False] if once else [False, True]
        metafunc.parametrize(
            "with_and_without_login_required",
            ways,
            ids=lambda way: "login-required" if way else "",
            indirect=True,
        )


@pytest.fixture
def with_and_without_login_required(request, settings):
    """For tests of our own pages and endpoints: what they show holds where everybody has to sign in."""
    if getattr(request, "param", False):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]


class Api(Client):
    """Django's test client with the CSRF check on, and short ways to the API."""

    transport = "cookie"

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


class TokenApi(Api):
    """What is not a browser: it holds a bearer token, and no CSRF token or session cookie."""

    transport = "bearer"
    bearer = None

    def generic(self, *args, headers=None, **extra):
        """Send a request, with the token if there is one."""
        own = {} if self.bearer is None else {"Authorization": f"Bearer {self.bearer}"}
        return super().generic(*args, headers={**own, **(headers or {})}, **extra)

    def send(self, path, body=None, *, method="post", **extra):
        """Send JSON."""
        return getattr(self, method)(path, body or {}, content_type="application/json", **extra)

    def log_in(self, user, password=PASSWORD, **fields):
        """Fetch a token of a new session and keep it."""
        body = {"username": user.get_username(), "password": password, **fields}
        response = self.post(AUTH + "tokens/", body, content_type="application/json")
        if response.status_code == 201:
            self.bearer = response.json()["token"]
        return response

    @property
    def key(self):
        """The session key in the token that the client holds, or None."""
        key = keys.parse_bearer(self.bearer)
        return None if key is None else key.text

    @key.setter
    def key(self, value):
        self.bearer = keys.to_bearer(keys.parse(value))


TRANSPORTS = {"cookie": Api, "bearer": TokenApi}


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """Each way that a key travels."""
    return request.param


@pytest.fixture
def sign_in(transport, db):
    """A function that signs a user in over the transport and returns the client."""

    def function(user, **fields):
        client = TRANSPORTS[transport]()
        assert client.log_in(user, **fields).status_code in {200, 201}
        return client

    return function


@pytest.fixture
def either(sign_in, alice):
    """A client that is signed in as alice, over each transport."""
    return sign_in(alice)


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
    assert members["type"] == f"{AUTH}problems/#{code}"
    assert members["title"]
    assert members["detail"]
    return members
