"""django-ninja: ``django_auth`` takes the session, and runs Django's CSRF check by itself."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.thirdparty.conftest import PASSWORD

DJANGOS = "django.middleware.csrf.CsrfViewMiddleware"
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
SIBLING = {"Sec-Fetch-Site": "same-site", "Origin": "http://sibling.testserver"}


@pytest.fixture(autouse=True)
def fetch_metadata(middleware, settings):
    """Put our middleware before Django's CSRF check."""
    at = settings.MIDDLEWARE.index(DJANGOS)
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:at],
        "sessionkeeper.csrf.FetchMetadataMiddleware",
        *settings.MIDDLEWARE[at:],
    ]


@pytest.fixture(params=["/ninja/rename", "/ninja/arename"], ids=["sync", "async"])
def rename(browser, request):
    """A function that calls an endpoint from the browser, in which alice is signed in."""
    browser.sign_in()

    def post(token=None, **headers):
        given = headers if token is None else {**headers, "X-CSRFToken": token}
        return browser.post(request.param, {"name": "bob"}, "application/json", headers=given)

    return post


def test_a_page_of_the_site_needs_no_token(rename):
    answer = rename(**OWN)
    assert (answer.status_code, answer.json()) == (200, {"by": "alice", "name": "bob"})


@pytest.mark.parametrize("headers", [FOREIGN, SIBLING], ids=["another site", "a sibling"])
def test_a_page_of_another_site_is_refused_with_a_token_too(rename, browser, headers):
    token = browser.cookies["csrftoken"].value
    assert rename(**headers).status_code == 403
    assert rename(token=token, **headers).status_code == 403


def test_who_says_nothing_of_where_it_is_needs_the_token(rename, browser):
    assert rename().status_code == 403
    assert rename(token="x" * 32).status_code == 403
    assert rename(token=browser.cookies["csrftoken"].value).status_code == 200


def test_nobody_is_signed_in_without_a_session(rename, browser):
    browser.cookies.pop("sessionid")
    assert rename(**OWN).status_code == 401


@pytest.mark.parametrize("middleware", ["our middleware"], indirect=True)  # which opens bearer sessions
def test_a_bearer_session_needs_no_token(alice):
    credentials = {"username": "alice", "password": PASSWORD}
    made = Client().post("/own-api/tokens/", credentials, "application/json")
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {made.json()['token']}"})
    answer = client.post("/ninja/rename", {"name": "bob"}, "application/json")
    assert (answer.status_code, answer.json()) == (200, {"by": "alice", "name": "bob"})
