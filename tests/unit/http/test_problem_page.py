"""The page of a problem: words for visitors, a way back, and nothing that an outage could break."""

from __future__ import annotations

import pytest
from django.test import override_settings

from sessionkeeper.http import problems

HTML = {"Accept": "text/html"}


def locmem(**templates):
    loader = ("django.template.loaders.locmem.Loader", templates)
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [loader, "django.template.loaders.app_directories.Loader"]},
        }
    ]


@pytest.mark.parametrize("problem", problems.KNOWN.values(), ids=lambda problem: problem.code)
def test_every_page_speaks_to_visitors_and_leads_back(rf, problem):
    page = problem.response(rf.post("/", headers=HTML)).text
    assert 'name="viewport"' in page
    assert "Home page" in page
    assert not [word for word in ("CSRF", "Retry-After", "SESSIONKEEPER", "Authorization") if word in page]
    assert f">{problem.code}<" not in page


@override_settings(DEBUG=True)
def test_the_sentence_for_developers_is_shown_with_debug(rf):
    page = problems.THROTTLED.response(rf.get("/", headers=HTML)).text
    assert "Retry-After" in page
    assert "throttled" in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [("1", "in 1 second."), ("59", "in 59 seconds."), ("60", "in 1 minute."), ("61", "in 2 minutes.")],
)
def test_the_wait_is_filled_in(rf, seconds, text):
    response = problems.THROTTLED.response(rf.post("/", headers=HTML), headers={"Retry-After": seconds})
    assert text in response.text
    assert response["Retry-After"] == seconds


@pytest.mark.parametrize(("method", "repeated"), [("get", "7"), ("head", "7"), ("post", None), ("put", None)])
def test_an_outage_repeats_what_changes_nothing_and_no_form(rf, method, repeated):
    request = getattr(rf, method)("/", headers=HTML)
    response = problems.STORE_UNAVAILABLE.response(request, headers={"Retry-After": "7"})
    assert response.headers.get("Refresh") == repeated
    assert ("by itself" in response.text) is (repeated is not None)


def test_a_program_is_not_told_to_refresh(rf):
    response = problems.STORE_UNAVAILABLE.response(rf.get("/"), headers={"Retry-After": "7"})
    assert "Refresh" not in response


def test_other_refusals_are_not_repeated(rf):
    response = problems.THROTTLED.response(rf.get("/", headers=HTML), headers={"Retry-After": "7"})
    assert "Refresh" not in response


@pytest.mark.parametrize(
    ("referer", "leads_there"),
    [
        ("http://testserver/form/?a=1", True),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_the_way_back_stays_on_this_site(rf, referer, leads_there):
    page = problems.SESSION_ROTATED.response(rf.post("/send/", headers={**HTML, "Referer": referer})).text
    assert (">Back<" in page) is leads_there
    assert not referer or (f'href="{referer}"' in page) is leads_there


def test_an_unknown_host_gets_a_page_too(rf):
    request = rf.get("/", headers={**HTML, "Referer": "http://testserver/"}, HTTP_HOST="evil.example")
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        assert problems.STORE_UNAVAILABLE.response(request).status_code == 503


@pytest.mark.urls("tests.http.pages_site")
@pytest.mark.parametrize(
    ("problem", "page"),
    [(problems.REAUTHENTICATION_REQUIRED, "reauthenticate"), (problems.TOKEN_INVALID, "login")],
    ids=["reauthenticate", "login"],
)
def test_the_page_that_helps_is_linked(rf, problem, page):
    assert f'href="/auth/{page}/"' in problem.response(rf.post("/", headers=HTML)).text


def test_the_page_allows_no_script_and_no_frame(rf):
    policy = problems.THROTTLED.response(rf.get("/", headers=HTML))["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_page_is_in_the_layout_of_the_project(rf):
    base = "<header>My shop</header>{% block content %}{% endblock %}"
    with override_settings(TEMPLATES=locmem(**{"sessionkeeper/pages/base.html": base})):
        page = problems.STORE_UNAVAILABLE.response(rf.get("/", headers=HTML)).text
    assert page.startswith("<header>My shop</header>")
    assert "We will be back" in page


def test_a_layout_that_fails_in_an_outage_leaves_a_plain_page(rf, caplog):
    with override_settings(TEMPLATES=locmem(**{"sessionkeeper/pages/base.html": "{% load no_such_tags %}"})):
        response = problems.STORE_UNAVAILABLE.response(
            rf.get("/", headers=HTML), headers={"Retry-After": "5"}
        )
    assert response.status_code == 503
    assert "<h1>We will be back in a moment</h1>" in response.text
    assert "in 5 seconds" in response.text
    assert "could not be rendered" in caplog.text
