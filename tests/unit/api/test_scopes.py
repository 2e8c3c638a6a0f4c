"""Scopes: where a session that has some gets in."""

from __future__ import annotations

import pytest

from tests.transports import AUTH, Api, TokenApi, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


@pytest.fixture
def program(db):
    """What is not a browser, without a token yet."""
    return TokenApi()


@pytest.fixture
def token(alice):
    """A token of alice."""
    client = TokenApi()
    client.log_in(alice)
    return client.bearer


@pytest.fixture
def scoped(alice):
    """A function that signs alice in with a token of these scopes."""

    def function(*scopes):
        client = TokenApi()
        client.log_in(alice, scopes=list(scopes))
        return client

    return function


def test_a_session_with_scopes_gets_in_where_they_are_asked_for(scoped, alice):
    assert scoped("notes:read", "other").get("/notes/scoped/").json()["user"] == alice.get_username()
    response = scoped("notes:write").get("/notes/scoped/")
    assert response.status_code == 403
    assert "scopes" in response.json()["detail"]
    assert scoped().get("/notes/scoped/").status_code == 403


def test_a_session_with_scopes_gets_in_nowhere_else(scoped):
    client = scoped("notes:read")
    for path in ("/notes/both/", "/notes/token/", "/notes/staff-or-scoped/"):
        assert client.get(path).status_code == 403, path
    assert client.get("/who/").json() == {"user": ""}
    for path in ("sessions/revoke-others/", "sessions/revoke-all/", "reauthenticate/", "password/change/"):
        problem(client.send(AUTH + path), 403, "insufficient_scope")
    problem(client.get(AUTH + "sessions/"), 403, "insufficient_scope")


def test_a_session_with_scopes_may_say_who_it_is_and_end_itself(scoped, alice):
    client = scoped("notes:read")
    assert client.whoami().json()["user"]["username"] == alice.get_username()
    assert client.log_out().status_code == 204
    assert client.whoami().status_code == 401


def test_sessions_without_scopes_are_not_restricted(signed_in, token, alice):
    program = TokenApi()
    program.bearer = token
    for client in (signed_in, program):
        assert client.get("/notes/scoped/").json()["user"] == alice.get_username()


def test_nobody_gets_in_by_a_scope_alone(db):
    assert Api().get("/notes/staff-or-scoped/").status_code == 401
