"""Signing in, writing and signing out: as a page of the site, as another site's page, and as no browser."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from tests.conftest import PASSWORD
from tests.http import api_site
from tests.transports import AUTH, Api, problem

JSON = "application/json"
BY_METADATA = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}
BY_ORIGIN = {"Origin": "http://testserver"}  # plain http, or an old browser
FOREIGN = {
    "csrf_cross_site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "csrf_same_site": {"Sec-Fetch-Site": "same-site", "Origin": "http://sibling.testserver"},
    "csrf_origin_contradictory": {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver:8000"},
    "csrf_origin_hidden": {"Origin": "null"},
    "csrf_origin_untrusted": {"Origin": "https://evil.example"},
}
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
OURS = "sessionkeeper.csrf.FetchMetadataMiddleware"

urlpatterns = [
    path("", include(api_site)),
    path("accounts/logout/", LogoutView.as_view(next_page="/nothing/")),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True, params=[True, False], ids=["middleware", "no middleware"])
def middleware(request, settings):
    """Whether the site has the middleware: to the API it makes no difference."""
    there = [each for each in settings.MIDDLEWARE if each != OURS]
    if request.param:
        there.insert(there.index(CSRF), OURS)
    settings.MIDDLEWARE = there
    settings.CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"
    return request.param


def credentials(user):
    return {"username": user.get_username(), "password": PASSWORD}


@pytest.mark.rule("R27")
@pytest.mark.parametrize("headers", [BY_METADATA, BY_ORIGIN], ids=["fetch metadata", "origin"])
def test_a_page_of_the_site_signs_in_writes_and_signs_out_without_a_token(api, alice, headers):
    assert api.post(AUTH + "login/", credentials(alice), JSON, headers=headers).status_code == 200
    del api.cookies["csrftoken"]  # Django sets one at login, and nobody needs it
    assert api.post("/notes/", {"text": "hi"}, JSON, headers=headers).json()["data"] == {"text": "hi"}
    assert api.post(AUTH + "logout/", headers=headers).status_code == 204
    assert api.whoami().status_code == 401


@pytest.mark.rule("R26")
@pytest.mark.rule("R27")
@pytest.mark.parametrize("with_token", [False, True])
@pytest.mark.parametrize("code", FOREIGN)
def test_a_page_of_another_site_cannot_sign_in_or_out_or_write(signed_in, alice, code, with_token):
    visitor = Api()
    for client, address, body in (
        (visitor, AUTH + "login/", credentials(alice)),
        (signed_in, AUTH + "login/", credentials(alice)),
        (signed_in, AUTH + "logout/", {}),
        (signed_in, "/notes/problems/", {"text": "Forged"}),
    ):
        token = {"X-CSRFToken": client.token()} if with_token else {}
        problem(client.post(address, body, JSON, headers={**FOREIGN[code], **token}), 403, code)
    assert visitor.key is None
    assert signed_in.whoami().json()["user"]["username"] == alice.get_username()


@pytest.mark.rule("R26")
def test_who_is_no_browser_needs_the_token_as_ever(api, alice):
    problem(api.post(AUTH + "login/", credentials(alice), JSON), 403, "csrf_cookie_missing")
    assert api.log_in(alice).status_code == 200
    problem(api.post("/notes/problems/", {"text": "hi"}, JSON), 403, "csrf_token_missing")
    assert api.send("/notes/", {"text": "hi"}).status_code == 200
    assert api.log_out().status_code == 204


@pytest.mark.rule("R26")
@pytest.mark.parametrize("headers", [BY_METADATA, {}], ids=["a page", "no browser"])
def test_the_token_changes_at_login(api, alice, headers):
    before = api.token()
    cookie = api.cookies[django_settings.CSRF_COOKIE_NAME].value
    sent = {"X-CSRFToken": before, **headers}
    assert api.post(AUTH + "login/", credentials(alice), JSON, headers=sent).status_code == 200
    assert api.cookies[django_settings.CSRF_COOKIE_NAME].value != cookie
    problem(api.post(AUTH + "logout/", headers={"X-CSRFToken": before}), 403, "csrf_token_incorrect")


def test_a_token_from_before_a_login_in_another_tab_does_not_hurt_a_page(api, alice):
    stale = api.token()
    assert api.log_in(alice).status_code == 200
    sent = {"X-CSRFToken": stale, **BY_METADATA}
    assert api.post("/notes/", {"text": "typed before"}, JSON, headers=sent).status_code == 200


def test_who_is_no_browser_is_told_how_to_go_on_with_a_stale_token(api, alice):
    stale = api.token()
    assert api.log_in(alice).status_code == 200
    refused = api.post("/notes/problems/", {"text": "typed"}, JSON, headers={"X-CSRFToken": stale})
    detail = problem(refused, 403, "csrf_token_incorrect")["detail"]
    assert "keep what was typed" in detail
    assert AUTH + "csrf/" in detail
    assert api.send("/notes/problems/", {"text": "typed"}).json()["data"] == {"text": "typed"}


def test_a_form_of_a_page_with_a_stale_token_is_sent_where_the_middleware_is(api, alice, middleware):
    """Without the middleware it is refused, and the page says how not to lose what was typed."""
    stale = api.token()
    assert api.log_in(alice).status_code == 200
    fields = {"csrfmiddlewaretoken": stale}
    answer = api.post("/accounts/logout/", fields, headers={**BY_METADATA, "Accept": "text/html"})
    if middleware:
        assert answer.status_code == 302
        assert api.whoami().status_code == 401
    else:
        assert answer.status_code == 403
        assert "Go back" in answer.content.decode()
        assert "reload the page" in answer.content.decode()
