"""The demo site: the tutorial's addresses with the tutorial's answers."""

from __future__ import annotations

import json

import pytest

from tests.demo_server import ADMIN, ALICE, Visitor, running_demo

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
INVALID = {"error": "Invalid credentials"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A demo for all tests of this module."""
    with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings") as site:
        yield site


@pytest.fixture
def visitor(site):
    """Somebody who has not been here yet."""
    return Visitor(site)


@pytest.fixture
def alice(visitor):
    """Alice, signed in."""
    assert visitor.log_in().status == 200
    return visitor


def test_make_demo_prints_the_address_and_the_users(site):
    printed = "".join(site.log)
    for text in (f"http://127.0.0.1:{site.port}/", *ALICE.values(), *ADMIN.values()):
        assert text in printed


# Signing in with JSON


def test_json_login_opens_the_dashboard_and_the_profile(visitor):
    answer = visitor.log_in()
    assert (answer.status, answer.json) == (200, {"message": "Logged in successfully"})
    assert visitor.get("/dashboard/").json == {"user": "alice"}
    assert visitor.get("/api/profile/").json == {"email": "alice@example.com"}


def test_the_session_cookie_is_http_only_and_same_site(alice):
    cookie = alice.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert len(cookie.value) == 40


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "alice", "password": "wrong"},
        {"username": "nobody", "password": ALICE["password"]},
        {"username": "alice\n", "password": ALICE["password"]},
    ],
)
def test_wrong_credentials_all_get_the_same_answer(visitor, credentials):
    answer = visitor.log_in(credentials)
    assert (answer.status, answer.json) == (401, INVALID)
    assert answer.headers["WWW-Authenticate"]
    assert "sessionid" not in visitor.cookies


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[" * 10_000,
        "[]",
        "null",
        '"alice"',
        "{}",
        '{"username": "alice"}',
        '{"username": "", "password": "x"}',
        '{"username": "alice", "password": null}',
        '{"username": 1, "password": "x"}',
        '{"username": 0, "password": "x"}',
        '{"username": ["alice"], "password": "x"}',
        '{"username": "alice", "password": {"$ne": ""}}',
        '{"username": "a\\u0000", "password": "x"}',
        '{"username": "\\ud800", "password": "x"}',
        '{"username": "alice", "password": "\\udfff"}',
        "\udcff\udcfe",
    ],
)
def test_a_body_without_credentials_is_a_400_that_says_why(visitor, body):
    headers = {**JSON, "X-CSRFToken": visitor.token()}
    answer = visitor.send("POST", "/login/", body.encode(errors="surrogateescape"), headers)
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert answer.json["error"]


@pytest.mark.parametrize("size", [17_000, 3_000_000])
def test_a_huge_body_is_a_413(visitor, size):
    headers = {**JSON, "X-CSRFToken": visitor.token()}
    answer = visitor.send("POST", "/login/", json.dumps({**ALICE, "more": "x" * size}), headers)
    assert answer.status == 413
    assert "error" in answer.json


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "text/json", ""])
def test_another_media_type_is_a_415(visitor, media_type):
    """Also text/plain, which a form on another site could send without asking first."""
    headers = {"Content-Type": media_type, "X-CSRFToken": visitor.token()}
    answer = visitor.send("POST", "/login/", json.dumps(ALICE), headers)
    assert answer.status == 415
    assert "error" in answer.json


@pytest.mark.parametrize("path", ["/login/", "/logout/"])
def test_a_post_without_token_is_refused_and_told_where_to_get_one(visitor, path):
    answer = visitor.send("POST", path, json.dumps(ALICE), JSON)
    assert answer.status == 403
    assert "/api/auth/csrf/" in answer.text
    assert "sessionid" not in visitor.cookies


def test_signing_in_changes_the_session_key(alice):
    before = alice.cookies["sessionid"].value
    assert alice.log_in().status == 200
    assert alice.cookies["sessionid"].value != before


# Signing in with the form


def test_the_form_signs_in_and_redirects(visitor):
    page = visitor.get("/login/", Accept=BROWSER)
    assert page.status == 200
    assert "csrfmiddlewaretoken" in page.text
    answer = visitor.submit("/login/", **ALICE)
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    assert visitor.get("/dashboard/").json == {"user": "alice"}


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("/dashboard/", "/dashboard/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_form_goes_on_to_addresses_of_this_site_only(visitor, asked, got):
    assert visitor.submit("/login/", **ALICE, next=asked).headers["Location"] == got


def test_the_form_is_shown_again_after_wrong_credentials(visitor):
    answer = visitor.submit("/login/", username="alice", password="wrong", next="/dashboard/")
    assert answer.status == 401
    assert 'name="password"' in answer.text
    assert 'value="/dashboard/"' in answer.text


def test_the_form_is_shown_again_when_a_field_is_missing(visitor):
    assert visitor.submit("/login/", username="alice").status == 400


def test_the_form_is_checked_for_csrf(visitor):
    body = "username=alice&password=wonderland-tea-party"
    answer = visitor.send("POST", "/login/", body, {**FORM, "Accept": BROWSER})
    assert answer.status == 403
    assert "sessionid" not in visitor.cookies


def test_a_huge_form_is_refused_by_django(visitor):
    """Django's CSRF check meets it first, and answers 400."""
    headers = {**FORM, "X-CSRFToken": visitor.token()}
    assert visitor.send("POST", "/login/", "username=" + "x" * 3_000_000, headers).status in (400, 413)


# Signed in, signed out


@pytest.mark.parametrize("path", ["/dashboard/", "/api/profile/", "/api/notes/"])
def test_who_is_not_signed_in_gets_a_401(visitor, path):
    answer = visitor.get(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"]


def test_logging_out_ends_the_session_on_the_server(alice):
    key = alice.cookies["sessionid"]
    answer = alice.send_json("POST", "/logout/", {})
    assert (answer.status, answer.json) == (200, {"message": "Logged out successfully"})
    assert "sessionid" not in alice.cookies
    alice.cookies["sessionid"] = key
    assert alice.get("/dashboard/").status == 401


def test_the_logout_button_redirects_home(alice):
    answer = alice.submit("/logout/")
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    assert alice.get("/dashboard/").status == 401


def test_logout_is_not_a_link(alice):
    assert alice.get("/logout/").status == 405
    assert alice.get("/dashboard/").status == 200


def test_signing_in_through_the_admin_opens_the_dashboard(visitor):
    answer = visitor.submit("/admin/login/", **ADMIN, next="/admin/")
    assert (answer.status, answer.headers["Location"]) == (302, "/admin/")
    assert visitor.get("/dashboard/").json == {"user": "admin"}


def test_the_browsable_api_signs_in_and_comes_back(visitor):
    page = visitor.get("/api/notes/", Accept=BROWSER)
    assert (page.status, page.headers.get_content_type()) == (401, "text/html")
    assert "/api-auth/login/?next=/api/notes/" in page.text
    answer = visitor.submit("/api-auth/login/", **ALICE, next="/api/notes/")
    assert (answer.status, answer.headers["Location"]) == (302, "/api/notes/")
    assert "/api-auth/logout/" in visitor.get("/api/notes/", Accept=BROWSER).text


# Pages


def test_the_home_page_links_everything_and_says_who_is_signed_in(visitor):
    page = visitor.get("/").text
    for link in ("/login/", "/dashboard/", "/api/profile/", "/api/notes/", "/javascript/", "/admin/"):
        assert f'href="{link}"' in page
    assert "Not signed in" in page
    visitor.log_in()
    page = visitor.get("/")
    assert "Signed in as <strong>alice</strong>" in page.text
    assert 'action="/logout/"' in page.text
    assert "no-store" in page.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/javascript/", "/static/demo/style.css", "/static/demo/javascript.js"])
def test_the_pages_and_their_files_are_served(visitor, path):
    assert visitor.get(path).status == 200


# Notes


def test_notes_are_written_changed_and_deleted(alice):
    written = alice.send_json("POST", "/api/notes/", {"text": "Down the hole"})
    assert (written.status, written.json["text"]) == (201, "Down the hole")
    path = f"/api/notes/{written.json['id']}/"
    assert written.json["id"] in [note["id"] for note in alice.get("/api/notes/").json]
    assert alice.send_json("PUT", path, {"text": "Up again"}).json["text"] == "Up again"
    assert alice.get(path).json["text"] == "Up again"
    assert alice.send_json("DELETE", path, {}).status == 204
    assert alice.get(path).status == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/notes/"), ("PUT", "/api/notes/1/"), ("DELETE", "/api/notes/1/")]
)
def test_notes_are_safe_from_requests_without_token(alice, method, path):
    before = alice.get("/api/notes/").json
    answer = alice.send(method, path, '{"text": "forged"}', JSON)
    assert answer.status == 403
    assert "/api/auth/csrf/" in answer.json["detail"]
    assert alice.get("/api/notes/").json == before


def test_another_persons_notes_do_not_exist(site, alice):
    path = f"/api/notes/{alice.send_json('POST', '/api/notes/', {'text': 'Mine'}).json['id']}/"
    admin = Visitor(site)
    admin.log_in(ADMIN)
    assert admin.get(path).status == 404
    assert admin.send_json("PUT", path, {"text": "Hers"}).status == 404
    assert admin.send_json("DELETE", path, {}).status == 404
    assert alice.get(path).json["text"] == "Mine"
