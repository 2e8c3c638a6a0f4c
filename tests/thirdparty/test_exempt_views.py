"""Exempt views of other packages: pages of other sites sign nobody in there, and identity providers may."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from django.test import Client
from django.urls import resolve

from sessionkeeper.csrf import exempt_views
from tests.thirdparty.conftest import PASSWORD, Browser, sessions

DJANGOS = "django.middleware.csrf.CsrfViewMiddleware"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
SIBLING = {"Sec-Fetch-Site": "same-site", "Origin": "http://sibling.testserver"}
OLD = {"Origin": "https://evil.example"}
PAGES = {"another site": FOREIGN, "a sibling": SIBLING, "an old browser": OLD}


@pytest.fixture(autouse=True)
def fetch_metadata(middleware, settings):
    """Put our middleware before Django's CSRF check."""
    at = settings.MIDDLEWARE.index(DJANGOS)
    ours = "sessionkeeper.csrf.FetchMetadataMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:at], ours, *settings.MIDDLEWARE[at:]]


@pytest.mark.rule("R62")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("url", ["/ninja/sign-in", "/ninja/asign-in"])
def test_a_login_of_django_ninja_takes_no_post_of_another_site(browser, page, url):
    answer = browser.post(url, {"name": "alice"}, "application/json", headers=PAGES[page])
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_session")
    assert (browser.key, sessions()) == (None, 0)
    browser.sign_in()
    key = browser.key
    answer = browser.post(url, {"name": "alice"}, "application/json", headers=PAGES[page])
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_session")
    assert (browser.key, browser.user) == (key, "alice")


@pytest.mark.rule("R62")
def test_in_debug_mode_where_django_ninja_answers_every_error_itself_too(browser, settings):
    settings.DEBUG = True
    answer = browser.post("/ninja/sign-in", {"name": "alice"}, "application/json", headers=FOREIGN)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_session")


@pytest.mark.parametrize("url", ["/ninja/sign-in", "/ninja/asign-in"])
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}])
def test_a_login_of_django_ninja_takes_those_of_the_site_and_of_programs(browser, url, headers):
    assert browser.post(url, {"name": "alice"}, "application/json", headers=headers).status_code == 200
    assert browser.user == "alice"


def test_a_webhook_of_django_ninja_goes_on(browser):
    for headers in PAGES.values():
        assert browser.post("/ninja/hook", headers=headers).json() == {"got": True}
    browser.sign_in()
    for headers in PAGES.values():
        assert browser.post("/ninja/hook", headers=headers).json() == {"got": True}


@pytest.mark.rule("R62")
def test_an_app_with_a_session_token_of_allauth_signs_in_whatever_its_origin(alice):
    """Apps in a web view have an origin of their own. Their session is in a header, not in the cookie."""
    app = Client(enforce_csrf_checks=True)
    credentials = {"username": "alice", "password": PASSWORD}
    answer = app.post("/_allauth/app/v1/auth/login", credentials, "application/json", headers=OLD)
    assert answer.status_code == 200, answer.content
    token = {"X-Session-Token": answer.json()["meta"]["session_token"]}
    assert app.get("/_allauth/app/v1/auth/session", headers={**OLD, **token}).status_code == 200
    assert app.delete("/_allauth/app/v1/auth/session", headers={**OLD, **token}).status_code == 401


@pytest.mark.rule("R62")
def test_an_answer_of_apple_is_taken(browser):
    browser.sign_in()
    fields = {"code": "c", "state": "s"}
    apple = {"Sec-Fetch-Site": "cross-site", "Origin": "https://appleid.apple.com"}
    answer = browser.post("/accounts/apple/login/callback/", fields, headers=apple)
    assert answer.status_code == 302
    assert "code=c" in answer.url
    assert browser.user == "alice"
    view = resolve("/accounts/apple/login/callback/").func
    assert not exempt_views.OF_PROTOCOLS.isdisjoint(exempt_views.paths_of(view))


@pytest.mark.parametrize("name", sorted(one for one in exempt_views.OF_PROTOCOLS if one[:7] == "allauth"))
def test_the_listed_views_of_allauth_are_there_and_exempt(name):
    module, _, view = name.rpartition(".")
    package, _, file = module.rpartition(".")
    folder = find_spec(package).submodule_search_locations[0]
    text = Path(folder, f"{file}.py").read_text()
    assert f"\nclass {view}(" in text or f"\ndef {view}(" in text
    assert "csrf_exempt" in text


def test_somebody_elses_form_of_allauth_is_refused_as_ever(browser):
    page = Browser()
    page.get("/accounts/login/")
    token = page.cookies["csrftoken"].value
    fields = {"login": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert page.post("/accounts/login/", fields, headers=FOREIGN).status_code == 403
    assert sessions() == 0
