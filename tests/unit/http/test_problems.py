"""Problems as answers: in the form that was asked for, kept nowhere."""

from __future__ import annotations

import json

import pytest

from sessionkeeper.http import problems

PROBLEM = problems.STORE_UNAVAILABLE


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json, text/html", False),
        ("text/html, application/json", True),
    ],
)
def test_browsers_get_a_page_and_programs_get_json(rf, accept, html):
    response = PROBLEM.response(rf.get("/", headers={"Accept": accept}))
    assert response.status_code == 503
    assert response["Content-Type"].startswith("text/html" if html else problems.MEDIA_TYPE)
    assert (response["Cache-Control"], response["Vary"]) == ("no-store", "Accept")


def test_the_members_are_those_of_the_rfc_and_our_code(rf):
    response = PROBLEM.response(rf.get("/"), "Come back <soon>.", {"Retry-After": "5"})
    members = json.loads(response.content)
    assert members["detail"] == "Come back <soon>."
    assert (members["status"], members["code"]) == (503, "store_unavailable")
    assert response["Retry-After"] == "5"


def test_what_a_page_says_is_escaped(rf, settings):
    settings.DEBUG = True
    response = PROBLEM.response(rf.get("/", headers={"Accept": "text/html"}), "<script>")
    assert "&lt;script&gt;" in response.text
    assert "<script>" not in response.text


@pytest.mark.urls("tests.urls")
def test_without_an_index_the_type_is_a_name():
    assert PROBLEM.type == problems.TYPE_PREFIX + PROBLEM.code


@pytest.mark.urls("tests.http.api_site")
def test_with_an_index_the_type_leads_there():
    assert PROBLEM.type == f"/api/auth/problems/#{PROBLEM.code}"
