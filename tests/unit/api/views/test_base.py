"""What all endpoints share: media types, methods, headers, problems."""

from __future__ import annotations

import pytest

from sessionkeeper.core.errors import StoreUnavailable
from tests.transports import AUTH, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


@pytest.mark.parametrize("body", ["", "{", "[]", '"alice"', "null", "NaN", '{"username": NaN}', "[" * 60_000])
def test_a_body_that_is_no_json_object_is_refused(api, body):
    response = api.generic(
        "POST", AUTH + "login/", body, content_type="application/json", headers={"X-CSRFToken": api.token()}
    )
    problem(response, 400, "parse_error" if body else "invalid")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded; charset=rot13",
        "multipart/form-data; boundary=x; charset=latin-1",
    ],
)
def test_other_media_types_and_charsets_are_refused(api, content_type):
    headers = {"X-CSRFToken": api.token()}
    response = api.generic("POST", AUTH + "login/", "x=y", content_type=content_type, headers=headers)
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("get", "login/", "POST, OPTIONS"),
        ("put", "login/", "POST, OPTIONS"),
        ("get", "logout/", "POST, OPTIONS"),
        ("delete", "session/", "GET, HEAD, OPTIONS"),
        ("post", "csrf/", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_a_405_that_names_the_allowed_ones(api, method, path, allowed):
    response = getattr(api, method)(AUTH + path)
    problem(response, 405, "method_not_allowed")
    assert response["Allow"] == allowed


@pytest.mark.rule("R24")
def test_no_answer_is_cached(api, alice):
    answers = [
        api.get(AUTH + "csrf/"),
        api.whoami(),
        api.get(AUTH + "login/"),
        api.post(AUTH + "login/"),
        api.log_in(alice, "wrong"),
        api.log_in(alice),
        api.whoami(),
        api.log_out(),
        api.options(AUTH + "login/"),
    ]
    assert all("no-store" in response["Cache-Control"] for response in answers)


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png", "application/problem+json", ";;q", "a/b;q=x, ,"]
)
def test_no_accept_header_hides_a_problem(api, accept):
    response = api.get(AUTH + "session/?format=nonsense", headers={"Accept": accept})
    assert response.status_code == 401


def fail(error):
    def function(*args, **kwargs):
        raise error

    return function


@pytest.mark.rule("R43")
@pytest.mark.parametrize("debug", [False, True])
def test_no_problem_shows_what_is_inside(signed_in, monkeypatch, settings, debug):
    settings.DEBUG = debug
    error = StoreUnavailable("postgres://keeper:hunter2@db.internal/")
    error.__cause__ = OSError("/srv/secret/socket")
    monkeypatch.setattr("sessionkeeper.auth.flows.log_out", fail(error))
    response = signed_in.send(AUTH + "logout/")
    problem(response, 503, "store_unavailable")
    for inside in ("hunter2", "db.internal", "/srv/", "Traceback", "OSError", "sessionkeeper.flows"):
        assert inside not in response.content.decode()
