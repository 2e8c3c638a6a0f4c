"""The endpoints of the API: requests, answers, problems."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import override_settings
from django.urls import reverse

from sessionkeeper.core.errors import SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, Api, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

SESSION_MEMBERS = {
    "id", "current", "transport", "label", "created_at", "authenticated_at", "last_seen_at",
    "idle_expires_at", "expires_at", "amr", "ip_address", "user_agent", "device",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def test_the_routes_have_names():
    assert [reverse(f"sessionkeeper-api:{name}") for name in ("csrf", "login", "logout", "session")] == [
        "/api/auth/csrf/",
        "/api/auth/login/",
        "/api/auth/logout/",
        "/api/auth/session/",
    ]


# csrf/


def test_csrf_returns_a_token_and_sets_the_cookie(api):
    response = api.get(AUTH + "csrf/")
    assert response.status_code == 200
    assert list(response.json()) == ["csrf_token"]
    assert response.cookies["csrftoken"].value
    assert "sessionid" not in response.cookies


@override_settings(CSRF_USE_SESSIONS=True)
def test_login_works_with_the_token_in_the_session(api, alice):
    assert api.log_in(alice).status_code == 200
    assert api.whoami().status_code == 200


# login/


@pytest.mark.any_user
def test_login_returns_the_user_and_the_session(alice):
    api = Api(headers={"User-Agent": FIREFOX})
    response = api.log_in(alice, label="kitchen laptop")
    assert response.status_code == 200
    body = response.json()
    user_id = alice.pk if isinstance(alice.pk, int) else str(alice.pk)
    assert body["user"] == {"id": user_id, "username": alice.get_username(), "email": "alice@example.org"}
    session = body["session"]
    assert set(session) == SESSION_MEMBERS
    assert len(session["id"]) == 11
    assert session["current"] is True
    assert session["transport"] == "cookie"
    assert session["label"] == "kitchen laptop"
    assert session["amr"] == ["pwd"]
    assert session["ip_address"] == "127.0.0.1"
    assert session["user_agent"] == FIREFOX
    assert session["device"] == "Firefox on Linux"
    for name in ("created_at", "authenticated_at", "last_seen_at", "idle_expires_at", "expires_at"):
        assert TIME.fullmatch(session[name]), name


def test_session_answers_as_login_did(signed_in, alice):
    again = signed_in.log_in(alice).json()
    assert signed_in.whoami().json() == again


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_login_takes_a_form(api, alice, kind):
    fields = {
        "username": alice.get_username(),
        "password": PASSWORD,
        "remember": "true",
        "csrfmiddlewaretoken": api.token(),
    }
    if kind == "multipart":
        response = api.post(AUTH + "login/", fields)
    else:
        from urllib.parse import urlencode

        body = urlencode(fields)
        response = api.post(AUTH + "login/", body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    assert api.whoami().status_code == 200


@pytest.mark.rule("R34")
def test_unknown_wrong_and_inactive_look_alike(api, alice, make_user):
    inactive = make_user(is_active=False)
    wrong = api.log_in(alice, "wrong")
    others = [
        api.log_in(inactive),
        api.send(AUTH + "login/", {"username": "nobody", "password": PASSWORD}),
    ]
    members = problem(wrong, 401, "invalid_credentials")
    assert wrong["WWW-Authenticate"] == 'Session realm="api"'
    for other in others:
        assert problem(other, 401, "invalid_credentials") == members
        assert dict(other.headers) == dict(wrong.headers)
    assert api.key is None


@pytest.mark.rule("R34")
def test_unknown_wrong_and_inactive_cost_one_hash_each(api, alice, make_user, monkeypatch):
    inactive, costs = make_user(is_active=False).get_username(), []
    plain = MD5PasswordHasher.encode

    def counted(self, password, salt):
        hashed.append(password)
        return plain(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    for name, password in ((alice.get_username(), "wrong"), (inactive, PASSWORD), ("nobody", PASSWORD)):
        hashed = []
        assert api.send(AUTH + "login/", {"username": name, "password": password}).status_code == 401
        costs.append(len(hashed))
    assert costs == [1, 1, 1]


def test_failing_to_sign_in_leaves_who_is_signed_in(signed_in, alice):
    key = signed_in.key
    problem(signed_in.log_in(alice, "wrong"), 401, "invalid_credentials")
    assert signed_in.key == key
    assert signed_in.whoami().status_code == 200


@pytest.mark.parametrize("path", ["login/", "logout/"])
def test_a_huge_body_is_refused(api, path):
    members = problem(api.send(AUTH + path, {"username": "x" * 70_000}), 413, "body_too_large")
    assert "65536" in members["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_huge_form_is_refused_before_it_is_parsed(api, content_type):
    headers = {"X-CSRFToken": api.token()}
    response = api.generic(
        "POST", AUTH + "login/", b"a" * 3_000_000, content_type=content_type, headers=headers
    )
    problem(response, 413, "body_too_large")


def test_a_form_with_a_thousand_fields_and_more_is_refused(api):
    body = "&".join(f"f{number}=" for number in range(1500))
    response = api.generic(
        "POST",
        AUTH + "login/",
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"X-CSRFToken": api.token()},
    )
    problem(response, 400, "parse_error")


def test_a_multipart_form_without_a_boundary_is_refused(api):
    headers = {"X-CSRFToken": api.token()}
    response = api.generic("POST", AUTH + "login/", "x", content_type="multipart/form-data", headers=headers)
    problem(response, 400, "parse_error")


# remember


def cookie(response):
    return response.cookies["sessionid"]


@pytest.mark.parametrize(
    ("at_close", "remember", "persists"),
    [
        (False, None, True),
        (False, True, True),
        (False, False, False),
        (True, None, False),
        (True, True, True),
        (True, False, False),
    ],
)
def test_remember_decides_whether_the_cookie_outlives_the_browser(api, alice, at_close, remember, persists):
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=at_close):
        fields = {} if remember is None else {"remember": remember}
        response = api.log_in(alice, **fields)
    assert bool(cookie(response)["max-age"]) is persists


@override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True, SESSIONKEEPER={"TIMEOUT_PRESET": "aal1"})
def test_remember_works_without_an_idle_timeout(api, alice):
    response = api.log_in(alice, remember=True)
    assert cookie(response)["max-age"] == pytest.approx(30 * 86400, abs=5)
    assert response.json()["session"]["idle_expires_at"] is None


def test_the_choice_of_the_last_login_is_forgotten(api, alice):
    assert cookie(api.log_in(alice, remember=False))["max-age"] == ""
    assert cookie(api.log_in(alice))["max-age"]


# logout/ and session/


@pytest.mark.rule("R08")
@pytest.mark.rule("R25")
def test_logout_ends_the_session_on_the_server(signed_in, alice):
    key = signed_in.key
    response = signed_in.log_out()
    assert (response.status_code, response.content) == (204, b"")
    assert response["Clear-Site-Data"] == '"cache"'
    assert signed_in.key is None
    assert registry.list_for(alice) == []
    signed_in.key = key
    assert signed_in.whoami().status_code == 401


@pytest.mark.rule("R44")
def test_logout_when_signed_out_is_a_204_too(api):
    assert api.log_out().status_code == 204
    assert contents.count() == 0
    assert not AuditEvent.objects.exists()


@pytest.mark.rule("R43")
def test_session_is_a_401_when_signed_out(api):
    response = api.whoami()
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Session realm="api", Bearer realm="api"'


# Every answer


def fail(error):
    def function(*args, **kwargs):
        raise error

    return function


@pytest.mark.rule("R43")
@pytest.mark.parametrize(("path", "verb"), [("login/", "log_in"), ("logout/", "log_out")])
def test_an_outage_is_a_503_and_keeps_the_cookie(signed_in, alice, monkeypatch, path, verb):
    body = {"username": alice.get_username(), "password": PASSWORD}
    key = signed_in.key
    monkeypatch.setattr(f"sessionkeeper.auth.flows.{verb}", fail(StoreUnavailable()))
    response = signed_in.send(AUTH + path, body)
    problem(response, 503, "store_unavailable")
    assert response["Retry-After"]
    assert signed_in.key == key


@pytest.mark.parametrize("method", ["insert", "merge"])
def test_a_login_that_was_not_stored_is_no_200(api, alice, monkeypatch, method):
    if method == "merge":
        api.get("/remembered/")
    with monkeypatch.context() as patch:
        patch.setattr(type(get_store()), method, fail(StoreUnavailable()))
        problem(api.log_in(alice), 503, "store_unavailable")
    assert api.whoami().status_code == 401
    assert registry.list_for(alice) == []
    assert bool(SessionStore(api.key).get("basket")) is (method == "merge")


def test_a_logout_that_was_not_stored_is_no_204(signed_in, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(type(get_store()), "revoke", fail(StoreUnavailable()))
        problem(signed_in.log_out(), 503, "store_unavailable")
    assert signed_in.whoami().status_code == 200


@pytest.mark.parametrize(
    ("error", "code"), [(SessionGone(), "session_ended"), (StaleSession(), "session_rotated")]
)
def test_a_session_that_changed_under_the_request_is_a_409(api, alice, monkeypatch, error, code):
    monkeypatch.setattr("sessionkeeper.auth.flows.log_in", fail(error))
    problem(api.log_in(alice), 409, code)


def test_a_session_ended_during_the_login_signs_nobody_in(api, alice, monkeypatch):
    api.get("/remembered/")
    monkeypatch.setattr(type(get_store()), "merge", fail(SessionGone()))
    problem(api.log_in(alice), 409, "session_ended")
    assert api.key is None
    assert registry.list_for(alice) == []
