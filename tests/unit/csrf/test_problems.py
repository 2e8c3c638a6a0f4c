"""A refused request is told what is missing and how to send it."""

from __future__ import annotations

import pytest
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from sessionkeeper import csrf
from sessionkeeper.csrf import problems as csrf_problems
from tests.http.api_site import remembered
from tests.transports import AUTH, Api, problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

urlpatterns = [path("form/", remembered)]  # a site without the API


@pytest.mark.rule("R26")
@pytest.mark.parametrize("endpoint", ["login/", "logout/"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_login_and_logout_are_checked_for_visitors_too(api, endpoint, content_type):
    response = api.post(AUTH + endpoint, "{}", content_type=content_type)
    members = problem(response, 403, "csrf_cookie_missing")
    assert "/api/auth/csrf/" in members["detail"]
    assert "csrftoken" in members["detail"]
    assert "X-CSRFToken" in members["detail"]


def test_doing_what_the_message_says_works(api, alice):
    detail = api.post(AUTH + "logout/").json()["detail"]
    url = next(word for word in detail.split() if word.startswith("/"))
    header = next(word for word in detail.split() if word.startswith("X-"))
    token = api.get(url).json()["csrf_token"]
    assert api.post(AUTH + "logout/", headers={header: token}).status_code == 204


def test_a_missing_token_is_named(api):
    api.token()
    problem(api.post(AUTH + "logout/"), 403, "csrf_token_missing")


@pytest.mark.parametrize("token", ["x", "x" * 64, "!" * 64, "x" * 32])
def test_an_incorrect_token_is_named(api, token):
    api.token()
    problem(api.post(AUTH + "logout/", headers={"X-CSRFToken": token}), 403, "csrf_token_incorrect")


@override_settings(ALLOWED_HOSTS=["testserver"])
def test_a_foreign_origin_is_named(api):
    response = api.post(
        AUTH + "logout/", headers={"X-CSRFToken": api.token(), "Origin": "https://evil.example"}
    )
    members = problem(response, 403, "csrf_origin_untrusted")
    assert "CSRF_TRUSTED_ORIGINS" in members["detail"]
    assert "evil.example" not in members["detail"]


@pytest.mark.parametrize(
    ("referer", "code"),
    [
        (None, "csrf_referer_missing"),
        ("nonsense", "csrf_referer_malformed"),
        ("http://testserver/", "csrf_referer_insecure"),
        ("https://evil.example/", "csrf_referer_untrusted"),
    ],
)
def test_a_referer_that_does_not_do_over_https_is_named(api, referer, code):
    headers = {"X-CSRFToken": api.token(), **({"Referer": referer} if referer else {})}
    problem(api.post(AUTH + "logout/", headers=headers, secure=True), 403, code)


def test_a_same_site_referer_over_https_passes(api, alice):
    headers = {"X-CSRFToken": api.token(), "Referer": "https://testserver/"}
    assert api.post(AUTH + "logout/", headers=headers, secure=True).status_code == 204


@override_settings(CSRF_COOKIE_NAME="xsrf", CSRF_HEADER_NAME="HTTP_X_XSRF_TOKEN")
def test_the_message_uses_the_names_of_the_settings(api):
    detail = api.post(AUTH + "logout/").json()["detail"]
    assert "xsrf" in detail
    assert "X-Xsrf-Token" in detail


@override_settings(CSRF_USE_SESSIONS=True)
def test_the_message_names_no_cookie_where_there_is_none(api):
    detail = api.post(AUTH + "logout/").json()["detail"]
    assert "csrftoken" not in detail
    assert "session cookie" in detail


@pytest.mark.urls("tests.unit.csrf.test_problems")
@override_settings(CSRF_FAILURE_VIEW="sessionkeeper.csrf.failure")
@pytest.mark.parametrize("in_session", [False, True])
def test_without_the_endpoint_the_message_names_the_cookie_and_the_header(in_session):
    with override_settings(CSRF_USE_SESSIONS=in_session):
        response = Api().post("/form/")
    code = "csrf_cookie_missing" if not in_session else "csrf_token_missing"
    assert response.json()["code"] in {code, "csrf_cookie_missing"}
    assert ("csrftoken" in response.json()["detail"]) is not in_session
    assert "X-CSRFToken" in response.json()["detail"]


@override_settings(CSRF_FAILURE_VIEW="sessionkeeper.csrf.failure")
def test_the_failure_view_answers_in_the_form_that_was_asked_for(db):
    client = Client(enforce_csrf_checks=True)
    problem(client.post("/remembered/"), 403, "csrf_cookie_missing")
    page = client.post("/remembered/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.status_code == 403
    assert page["Content-Type"].startswith("text/html")
    assert "reload the page" in page.content.decode()


def test_every_reason_of_this_django_is_known():
    from django.middleware import csrf as django_csrf

    reasons = [value for name, value in vars(django_csrf).items() if name.startswith("REASON_")]
    sentences = [reason for reason in reasons if not reason.startswith("has ")]
    assert len(sentences) == 7
    assert csrf_problems.FAILED not in {csrf_problems.explain(reason).problem for reason in sentences}
    assert (
        csrf_problems.explain("CSRF cookie has incorrect length.").problem is csrf_problems.COOKIE_MALFORMED
    )
    assert csrf_problems.explain("a reason of tomorrow").problem is csrf_problems.FAILED


def test_the_page_of_a_failure_can_be_overridden_by_a_template(settings):
    """A project's own ``sessionkeeper/problem.html`` is shown instead of ours."""
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"sessionkeeper/problem.html": "ours: {{ problem.code }} {{ problem.status }}"},
                    )
                ]
            },
        }
    ]
    request = RequestFactory().post("/", headers={"Accept": "text/html"})
    assert csrf.failure(request, REASON_NO_CSRF_COOKIE).content == b"ours: csrf_cookie_missing 403"


def test_the_page_of_a_failure_does_without_templates(settings):
    """Where no template is found the page is plain, and is there."""
    settings.TEMPLATES = []
    request = RequestFactory().post("/", headers={"Accept": "text/html"})
    assert b"<h1>This form could not be sent</h1>" in csrf.failure(request, REASON_NO_CSRF_COOKIE).content
