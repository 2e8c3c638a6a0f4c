"""Browsers that fill in forms, and the two ways to run the engine."""

from __future__ import annotations

import re

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import Client

from sessionkeeper.models import Session

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "staple battery horse correct"
DJANGO = "django.contrib.{}.middleware.{}"
OURS = {
    DJANGO.format("sessions", "SessionMiddleware"): "sessionkeeper.middleware.SessionMiddleware",
    DJANGO.format("auth", "AuthenticationMiddleware"): "sessionkeeper.middleware.AuthenticationMiddleware",
}
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@pytest.fixture(params=["Django's middleware", "our middleware"], autouse=True)
def middleware(request, settings):
    """Run with Django's own middleware (the engine alone), then with ours in its place."""
    if request.param == "our middleware":
        settings.MIDDLEWARE = [OURS.get(name, name) for name in django_settings.MIDDLEWARE]
    return request.param


class Browser(Client):
    """A client whose unsafe requests are checked as those of a browser are."""

    def __init__(self, **defaults):
        super().__init__(enforce_csrf_checks=True, **defaults)

    def submit(self, page, data=None, *, to=None, status=302):
        """Open ``page``, fill in its form with ``data``, send it to where it came from, or to ``to``."""
        response = self.get(page)
        token = _TOKEN.search(response.content.decode())
        assert token, f"{page} has no form: {response.status_code}"
        response = self.post(to or page, {**(data or {}), "csrfmiddlewaretoken": token[1]})
        assert response.status_code == status, response.content.decode()
        return response

    def sign_in(self, page="/auth/login/", username="alice", password=PASSWORD, **fields):
        """Sign in at the form of ``page``."""
        return self.submit(page, {"username": username, "password": password, **fields})

    @property
    def user(self):
        """Who the server says is signed in; empty when nobody is."""
        return self.get("/whoami/").content.decode()

    @property
    def key(self):
        """The session key that the browser holds, or None."""
        cookie = self.cookies.get("sessionid")
        return cookie.value or None if cookie else None


@pytest.fixture
def alice(db):
    """A superuser with an e-mail address."""
    return get_user_model().objects.create_superuser("alice", "alice@example.org", PASSWORD)


@pytest.fixture
def browser(alice):
    """A browser in which nobody is signed in."""
    return Browser()


@pytest.fixture
def other(alice):
    """A second browser in which alice is signed in."""
    other = Browser()
    other.sign_in()
    return other


def sessions():
    """Count the sessions that the store has."""
    return Session.objects.count()


def signed_in():
    """Count the sessions in which somebody is signed in; one with only a message in it is nobody's."""
    return Session.objects.exclude(user=None).count()
