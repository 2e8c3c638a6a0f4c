"""Headers and cookies of answers that belong to one person."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.http import HttpResponse
from django.test import AsyncClient, Client

from sessionkeeper.core import keys

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


@pytest.mark.rule("R24")
def test_vary_is_sent_only_where_the_session_was_used(browser):
    assert "Vary" not in browser.do(lambda request: None).headers
    assert browser.do(lambda request: request.session.get("a") and None)["Vary"] == "Cookie"


@pytest.mark.rule("R24")
def test_answers_of_the_signed_in_and_those_that_set_the_cookie_are_not_cached(browser, make_user):
    assert "no-store" in browser.put("a")["Cache-Control"]
    assert "Cache-Control" not in browser.do(lambda request: request.session.get("a") and None).headers
    browser.sign_in(make_user())
    assert "no-store" in browser.do(lambda request: HttpResponse(str(request.user)))["Cache-Control"]
    own = HttpResponse(headers={"Cache-Control": "max-age=60, private"})
    assert "max-age=60" in browser.do(lambda request: request.user.pk and own)["Cache-Control"]


def test_a_key_that_opens_nothing_is_taken_from_the_browser_when_it_was_used(browser):
    browser.client.cookies["sessionid"] = keys.mint().text
    assert not browser.do(lambda request: None).cookies
    assert browser.do(lambda request: request.session.get("a") and None).cookies["sessionid"]["max-age"] == 0


def test_a_late_answer_does_not_take_the_new_key_away(browser):
    browser.put("a")
    late = Browser("sync")
    late.client.cookies["sessionid"] = browser.key
    browser.do(lambda request: request.session.cycle_key())
    assert not late.do(lambda request: request.session.get("a") and None).cookies
    assert browser.do(lambda request: HttpResponse(str(request.session.get("a")))).text == "1"
