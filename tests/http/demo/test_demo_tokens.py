"""The demo's doors for programs: ours, knox and JSON Web Tokens, each kept apart from the web login."""

from __future__ import annotations

import json

import pytest

from tests.demo_server import ALICE, Visitor, running_demo


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A demo for all tests of this module."""
    with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings") as site:
        yield site


@pytest.fixture
def visitor(site):
    """Somebody who has not been here yet."""
    return Visitor(site)


def post(visitor, path, data=None, **headers):
    """Send JSON as a program does: no cookie asked for, no CSRF token."""
    return visitor.send("POST", path, json.dumps(data or {}), {"Content-Type": "application/json", **headers})


def token(visitor, **fields):
    """A token of ours."""
    answer = post(visitor, "/api/auth/tokens/", {**ALICE, **fields})
    assert answer.status == 201
    return {"Authorization": f"Bearer {answer.json['token']}"}


def knox(visitor):
    """A token of knox."""
    return {"Authorization": f"Token {post(visitor, '/api/knox/login/', ALICE).json['token']}"}


def jwt(visitor):
    """A JSON Web Token."""
    return {"Authorization": f"Bearer {post(visitor, '/api/jwt/login/', ALICE).json['access']}"}


HANDOUTS = {"/api/notes/": token, "/api/knox/notes/": knox, "/api/jwt/notes/": jwt}


@pytest.mark.parametrize("path", HANDOUTS)
def test_each_door_takes_its_own_token_to_read_and_write_and_sets_no_cookie(visitor, path):
    headers = HANDOUTS[path](visitor)
    assert visitor.get(path, **headers).status == 200
    assert post(visitor, path, {"text": f"through {path}"}, **headers).status == 201
    assert f"through {path}" in visitor.get(path, **headers).text
    assert not visitor.cookies


@pytest.mark.parametrize("path", HANDOUTS)
def test_each_door_refuses_the_tokens_of_the_others(visitor, path):
    for other, handout in HANDOUTS.items():
        if other != path:
            assert visitor.get(path, **handout(visitor)).status == 401


@pytest.mark.parametrize("handout", HANDOUTS.values())
def test_the_pages_for_browsers_take_no_token(visitor, handout):
    headers = handout(visitor)
    for path in ("/dashboard/", "/api/profile/"):
        assert visitor.get(path, **headers).status == 401


def test_the_web_login_opens_no_door_of_the_other_kinds(visitor):
    assert visitor.log_in().status == 200
    assert visitor.get("/api/notes/").status == 200
    for path in ("/api/knox/notes/", "/api/jwt/notes/"):
        assert visitor.get(path).status == 401


@pytest.mark.parametrize("path", ["/api/auth/tokens/", "/api/knox/login/", "/api/jwt/login/"])
def test_wrong_credentials_open_no_door(visitor, path):
    assert post(visitor, path, {**ALICE, "password": "wrong"}).status in {400, 401}


def test_a_token_with_a_scope_reads_notes_and_writes_none(visitor):
    headers = token(visitor, scopes=["notes:read"])
    assert visitor.get("/api/notes/", **headers).status == 200
    answer = post(visitor, "/api/notes/", {"text": "no"}, **headers)
    assert answer.status == 403
    assert "scopes" in answer.json["detail"]


def test_a_token_stands_in_the_list_beside_the_browser_and_is_ended_from_there(visitor, site):
    headers = token(visitor, label="phone")
    browser = Visitor(site)
    browser.log_in()
    listed = browser.get("/api/auth/sessions/").json["results"]
    phone = next(entry for entry in listed if entry["label"] == "phone")
    assert (listed[0]["transport"], phone["transport"]) == ("cookie", "bearer")
    assert browser.send_json("DELETE", f"/api/auth/sessions/{phone['id']}/", {}).status == 204
    assert visitor.get("/api/notes/", **headers).status == 401


def test_logout_ends_a_token_of_ours_and_one_of_knox(visitor):
    for path, logout in (("/api/notes/", "/api/auth/logout/"), ("/api/knox/notes/", "/api/knox/logout/")):
        headers = HANDOUTS[path](visitor)
        assert post(visitor, logout, **headers).status == 204
        assert visitor.get(path, **headers).status == 401


def test_a_json_web_token_outlives_what_ends_sessions_until_it_expires(visitor):
    """Why it is not for signing people in: the server does not know of it."""
    headers = jwt(visitor)
    assert post(visitor, "/api/auth/sessions/revoke-all/", **token(visitor)).status == 200
    assert visitor.get("/api/jwt/notes/", **headers).status == 200
