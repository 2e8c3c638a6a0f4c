"""Bearer tokens over HTTP: handing out, scopes, and what keeps the transports apart."""

from __future__ import annotations

import pytest
from django.test import override_settings

from sessionkeeper.core import keys
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, Api, TokenApi, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

TOKENS = AUTH + "tokens/"


@pytest.fixture
def program(db):
    """What is not a browser, without a token yet."""
    return TokenApi()


def ask(client, user, password=PASSWORD, headers=None, **fields):
    """Ask for a token, with nothing but JSON."""
    body = {"username": user.get_username(), "password": password, **fields}
    return client.post(TOKENS, body, content_type="application/json", headers=headers)


# Handing out


@pytest.mark.any_user
@pytest.mark.rule("R40")
def test_a_token_is_given_for_credentials_without_a_csrf_token_or_a_cookie(program, alice):
    response = ask(program, alice, label="phone")
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"token", "session", "scopes"}
    assert keys.encode_id(keys.parse_bearer(body["token"]).id) == body["session"]["id"]
    assert (body["session"]["transport"], body["session"]["label"]) == ("bearer", "phone")
    assert (body["session"]["current"], body["scopes"]) == (False, None)
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]
    program.bearer = body["token"]
    assert program.whoami().json()["session"] == {**body["session"], "current": True}


@pytest.mark.rule("R34")
def test_wrong_unknown_and_inactive_look_alike(program, alice, make_user):
    inactive = make_user(is_active=False)
    wrong = ask(program, alice, "wrong")
    members = problem(wrong, 401, "invalid_credentials")
    assert wrong["WWW-Authenticate"] == 'Bearer realm="api"'
    assert problem(ask(program, inactive), 401, "invalid_credentials") == members
    body = {"username": "nobody", "password": PASSWORD}
    unknown = program.post(TOKENS, body, content_type="application/json")
    assert problem(unknown, 401, "invalid_credentials") == members
    assert not contents.records()


@pytest.mark.rule("R27")
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, "csrf_cross_site"),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, "csrf_cross_site"),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://sub.testserver"}, "csrf_same_site"),
        ({"Origin": "https://evil.example"}, "csrf_origin_untrusted"),
        ({"Origin": "null"}, "csrf_origin_hidden"),
        ({"Origin": "null", "Sec-Fetch-Site": "none"}, "csrf_origin_hidden"),
    ],
)
def test_pages_of_other_sites_are_refused(program, alice, headers, code):
    problem(ask(program, alice, headers=headers), 403, code)
    assert not contents.records()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
        {"Origin": "http://testserver"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://app.example.org"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
@override_settings(CSRF_TRUSTED_ORIGINS=["https://app.example.org"])
def test_own_pages_trusted_ones_and_programs_are_let_in(program, alice, headers):
    assert ask(program, alice, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "scopes",
    [
        "notes",
        1,
        {"a": 1},
        [1],
        [None],
        ["a b"],
        [""],
        ['"'],
        ["\\"],
        ["a\n"],
        ["é"],
        ["x" * 101],
        ["x"] * 51,
    ],
)
def test_scopes_that_are_none_are_named(program, alice, scopes):
    members = problem(ask(program, alice, scopes=scopes), 400, "invalid")
    assert list(members["errors"]) == ["scopes"]
    assert all(isinstance(text, str) for text in members["errors"]["scopes"])


@pytest.mark.parametrize("given", [None, [], ["b", "a", "b"]])
def test_scopes_are_returned_without_doubles(program, alice, given):
    assert ask(program, alice, scopes=given).json()["scopes"] == (given and ["a", "b"])


def test_scopes_come_in_a_form_too(program, alice):
    fields = {"username": alice.get_username(), "password": PASSWORD, "scopes": ["b", "a"]}
    assert program.post(TOKENS, fields).json()["scopes"] == ["a", "b"]
    assert program.post(TOKENS, {**fields, "scopes": []}).json()["scopes"] is None


@pytest.mark.rule("R43")
def test_tries_are_limited_together_with_logins(program, alice, settings):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": 2}
    assert ask(program, alice, "wrong").status_code == 401
    assert Api().log_in(alice, "wrong").status_code == 401
    response = ask(program, alice)
    problem(response, 429, "throttled")
    assert response["Retry-After"] == "60"


# One transport each


@pytest.fixture
def token(alice):
    """A token of alice."""
    client = TokenApi()
    client.log_in(alice)
    return client.bearer


@pytest.mark.rule("R41")
def test_a_cookie_and_a_token_at_once_are_refused_everywhere(signed_in, token):
    for path in (AUTH + "session/", "/who/", "/nothing/", "/nowhere/", TOKENS):
        response = signed_in.get(path, headers={"Authorization": f"Bearer {token}"})
        problem(response, 400, "two_transports")
    assert signed_in.whoami().status_code == 200


@pytest.mark.rule("R41")
@pytest.mark.parametrize("name", ["access_token", "token", "bearer", "Authorization", "sessionid"])
def test_a_token_in_the_address_or_the_body_opens_nothing(token, name):
    client = Api()
    assert client.get(f"{AUTH}session/?{name}={token}").status_code == 401
    assert client.get(f"/notes/both/?{name}={token}").status_code == 401
    assert client.post("/notes/both/", {name: token}).status_code == 401


@pytest.mark.rule("R41")
def test_a_token_in_the_cookie_opens_nothing(token):
    client = Api()
    for value in (token, keys.parse_bearer(token).text):
        client.key = value
        problem(client.whoami(), 401, "not_authenticated")


@pytest.mark.rule("R41")
def test_the_key_of_a_cookie_opens_nothing_as_a_token(signed_in):
    program = TokenApi()
    for value in (signed_in.key, "sess_" + signed_in.key, keys.to_bearer(keys.parse(signed_in.key))):
        program.bearer = value
        assert program.whoami().status_code == 401
    assert signed_in.whoami().status_code == 200


def test_each_class_takes_its_own_transport(signed_in, token, alice):
    program = TokenApi()
    program.bearer = token
    assert signed_in.get("/notes/").json()["user"] == alice.get_username()
    response = program.get("/notes/")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Session realm="api"')
    assert program.get("/notes/token/").json()["user"] == alice.get_username()
    response = signed_in.get("/notes/token/")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    for client in (signed_in, program):
        assert client.get("/notes/both/").json()["user"] == alice.get_username()


def test_a_write_with_a_token_needs_no_csrf_token_and_one_with_the_cookie_does(signed_in, token):
    program = TokenApi()
    program.bearer = token
    assert program.post("/notes/both/", {"a": "1"}, content_type="application/json").status_code == 200
    assert signed_in.post("/notes/both/", {"a": "1"}, content_type="application/json").status_code == 403


def test_a_page_of_another_origin_may_use_a_token_that_it_has(token):
    """Where CORS lets it: no cookie goes with the request, so nothing is taken from the user."""
    headers = {"Origin": "https://app.example.org", "Sec-Fetch-Site": "cross-site"}
    program = TokenApi()
    program.bearer = token
    response = program.post("/notes/both/", {"a": "1"}, content_type="application/json", headers=headers)
    assert response.status_code == 200


def test_a_dead_token_is_a_401_that_says_so_in_projects_views_too(db):
    program = TokenApi()
    program.bearer = keys.to_bearer(keys.mint())
    response = program.get("/notes/token/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert response.json()["detail"]


def test_signing_in_by_cookie_in_a_request_with_a_token_is_refused(token, alice):
    program = TokenApi()
    program.bearer = token
    body = {"username": alice.get_username(), "password": PASSWORD}
    problem(program.send(AUTH + "login/", body), 400, "no_transport")
    assert program.whoami().status_code == 200


def test_other_schemes_and_tokens_are_left_to_others(signed_in, alice):
    for value in ("Basic YTpi", "Token abc", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Bearer", "nonsense"):
        response = signed_in.get("/notes/both/", headers={"Authorization": value})
        assert response.json()["user"] == alice.get_username()


# Scopes
