"""django-allauth: account, usersessions, mfa, headless."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from sessionkeeper.core.keys import parse
from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from tests.thirdparty.conftest import NEW_PASSWORD, PASSWORD, Browser, signed_in

LOGIN, LOGOUT, CHANGE = "/accounts/login/", "/accounts/logout/", "/accounts/password/change/"
NEW = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}


def sign_in(browser, password=PASSWORD):
    """Sign in at allauth's form."""
    browser.submit(LOGIN, {"login": "alice", "password": password})


def rows():
    """Return the session keys that allauth.usersessions keeps."""
    return set(UserSession.objects.values_list("session_key", flat=True))


def test_a_visitor_signs_up_and_is_signed_in(browser):
    browser.submit(
        "/accounts/signup/",
        {"username": "bob", "email": "bob@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert browser.user == "bob"
    assert get_user_model().objects.filter(username="bob").exists()
    assert rows() == {browser.key}


def test_a_user_signs_in_by_name_and_out(browser):
    sign_in(browser)
    assert browser.user == "alice"
    browser.submit(LOGOUT)
    assert browser.user == ""
    assert signed_in() == 0


def test_a_login_gives_another_key_and_the_old_one_opens_nothing(browser):
    browser.get("/remember/")
    before = browser.key
    sign_in(browser)
    assert browser.key != before
    thief = Browser()
    thief.cookies["sessionid"] = before
    assert thief.user == ""
    assert browser.user == "alice"


def test_a_password_change_keeps_this_session_and_ends_the_others(browser, other):
    sign_in(browser)
    old = browser.key
    browser.submit(CHANGE, NEW)
    assert (browser.user, other.user) == ("alice", "")
    assert browser.key != old
    assert signed_in() == 1


def test_a_password_change_may_end_this_session_too(browser, other, settings):
    settings.ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
    sign_in(browser)
    browser.submit(CHANGE, NEW)
    assert (browser.user, other.user) == ("", "")


def test_reauthentication_keeps_the_session(browser):
    sign_in(browser)
    key = browser.key
    browser.submit("/accounts/reauthenticate/", {"password": PASSWORD})
    assert browser.user == "alice"
    assert browser.key == key


def test_a_second_factor_is_asked_for_and_signs_in(browser, alice):
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    browser.submit(LOGIN, {"login": "alice", "password": PASSWORD})
    assert browser.user == ""
    counter = next(iter(yield_hotp_counters_from_time()))
    code = format_hotp_value(hotp_value(secret, counter))
    browser.submit("/accounts/2fa/authenticate/", {"code": code})
    assert browser.user == "alice"


def test_a_provider_signs_a_visitor_up_and_in(browser, middleware):
    browser.get("/remember/", headers={"User-Agent": "First/1.0"})
    visitor = browser.key
    to_provider = browser.submit("/accounts/dummy/login/").url
    answer = {"id": 7, "email": "carol@example.org", "email_verified": "on", "username": "carol"}
    browser.submit(to_provider, answer)
    assert browser.user == "carol"
    assert b"apple" in browser.get("/show/").content
    assert rows() == {browser.key}
    assert browser.key != visitor
    assert Session.objects.count() == 1
    if middleware == "our middleware":
        assert Session.objects.get().user_agent == "First/1.0"


def test_the_answer_of_a_provider_is_taken_once(browser):
    to_provider = browser.submit("/accounts/dummy/login/").url
    answer = {"id": 7, "email": "carol@example.org", "email_verified": "on", "username": "carol"}
    browser.submit(to_provider, answer)
    browser.submit(LOGOUT)
    browser.submit(to_provider, answer, status=403)
    assert browser.user == ""


# allauth.usersessions


@pytest.fixture
def two(browser):
    """Two browsers in which alice signed in through allauth."""
    second = Browser(headers={"User-Agent": "Second/1.0"})
    sign_in(browser)
    sign_in(second)
    return browser, second


def test_the_list_has_the_key_of_each_session_after_a_login(two):
    first, second = two
    assert rows() == {first.key, second.key}
    page = first.get("/accounts/sessions/").content
    assert b"Second/1.0" in page
    assert rows() == {first.key, second.key}


def test_ending_the_other_sessions_really_ends_them(two):
    first, second = two
    first.submit("/accounts/sessions/")
    assert (first.user, second.user) == ("alice", "")
    assert rows() == {first.key}
    assert signed_in() == 1


def test_the_list_follows_a_password_change(two):
    first, second = two
    first.submit(CHANGE, NEW)
    assert first.key in rows()
    first.get("/accounts/sessions/")
    assert rows() == {first.key}
    assert (first.user, second.user) == ("alice", "")


OWN = {
    "a password change by our page": (
        "/own/password/change/",
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "again": NEW_PASSWORD},
    ),
    "a proof by our page": ("/own/reauthenticate/", {"password": PASSWORD}),
    "a password change by Django's page": (
        "/auth/password/",
        {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    ),
    "another sign-in by Django's page": ("/auth/login/", {"username": "alice", "password": PASSWORD}),
}


@pytest.mark.parametrize(("page", "form"), OWN.values(), ids=OWN)
def test_the_list_follows_the_key_of_this_session(two, page, form):
    first, _ = two
    old = first.key
    began_at = UserSession.objects.get(session_key=old).created_at
    first.submit(page, form)
    assert first.key != old
    first.get("/accounts/sessions/")
    assert UserSession.objects.get(session_key=first.key).created_at == began_at
    assert not UserSession.objects.filter(session_key=old).exists()


@pytest.mark.parametrize("middleware", ["our middleware"], indirect=True)
def test_the_list_follows_a_password_change_by_our_api(two):
    first, second = two
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = first.post(
        "/own-api/password/change/", change, "application/json", headers={"X-CSRFToken": token(first)}
    )
    assert answer.status_code == 204
    first.get("/accounts/sessions/")
    assert rows() == {first.key}
    assert (first.user, second.user) == ("alice", "")


def test_a_list_that_cannot_be_written_keeps_nobody_from_signing_in(browser, monkeypatch, caplog):
    sign_in(browser)

    def fail(*_, **__):
        raise DatabaseError

    monkeypatch.setattr(UserSession._base_manager, "using", fail)
    browser.submit("/auth/login/", {"username": "alice", "password": PASSWORD})
    assert browser.user == "alice"
    assert "usersessions.UserSession could not be updated" in caplog.text


def test_a_session_ended_elsewhere_leaves_the_list(two, alice):
    first, second = two
    newest = registry.list_for(alice)[0]
    registry.revoke(newest.id)
    first.get("/accounts/sessions/")
    assert rows() == {first.key}
    assert second.user == ""


def test_a_logout_leaves_the_list(two):
    first, second = two
    second.submit(LOGOUT)
    first.get("/accounts/sessions/")
    assert rows() == {first.key}


def test_the_list_may_follow_activity(two, settings):
    settings.USERSESSIONS_TRACK_ACTIVITY = True
    first, second = two
    assert first.user == "alice"
    first.submit("/accounts/sessions/")
    assert (first.user, second.user) == ("alice", "")
    assert rows() == {first.key}


def test_a_look_at_the_list_keeps_nobody_elses_session_alive(two, alice):
    first, _ = two
    long_ago = timezone.now() - timedelta(hours=6)
    mine = Session.objects.filter(pk=parse(first.key).id)
    Session.objects.update(last_seen_at=long_ago)
    first.get("/accounts/sessions/")
    assert mine.get().last_seen_at > long_ago
    assert Session.objects.filter(last_seen_at=long_ago).count() == 1


def test_a_password_change_right_after_a_look_at_the_list_ends_the_right_ones(two, alice):
    first, second = two
    assert first.post("/list-and-change/", headers={"X-CSRFToken": token(first)}).content == b"2"
    assert (first.user, second.user) == ("alice", "")
    assert signed_in() == 1


# allauth.headless


def token(client):
    """Return the CSRF token that a script reads from the cookie."""
    return client.cookies["csrftoken"].value if "csrftoken" in client.cookies else ""


def send(client, method, path, data=None, **headers):
    """Send JSON as a single-page application does, with the token from the cookie."""
    headers["X-CSRFToken"] = token(client)
    given = {} if data is None else {"data": data, "content_type": "application/json"}
    return getattr(client, method)(f"/_allauth/{path}", **given, headers=headers)


def test_a_browser_client_signs_in_sees_its_session_and_signs_out(browser):
    assert send(browser, "get", "browser/v1/config").status_code == 200
    assert send(browser, "get", "browser/v1/auth/session").status_code == 401
    credentials = {"username": "alice", "password": PASSWORD}
    answer = send(browser, "post", "browser/v1/auth/login", credentials)
    assert answer.status_code == 200, answer.content
    assert send(browser, "get", "browser/v1/auth/session").json()["data"]["user"]["username"] == "alice"
    assert browser.user == "alice"
    assert rows() == {browser.key}
    assert send(browser, "delete", "browser/v1/auth/session").status_code == 401
    assert browser.user == ""
    assert signed_in() == 0


def test_a_browser_client_needs_the_csrf_token(browser):
    credentials = {"username": "alice", "password": PASSWORD}
    assert send(browser, "post", "browser/v1/auth/login", credentials).status_code == 403
    assert browser.user == ""


def test_a_browser_client_changes_the_password_and_ends_the_others(browser, other):
    sign_in(browser)
    answer = send(
        browser,
        "post",
        "browser/v1/account/password/change",
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
    )
    assert answer.status_code == 200, answer.content
    assert (browser.user, other.user) == ("alice", "")


def test_a_browser_client_lists_and_ends_sessions(two):
    first, second = two
    listed = send(first, "get", "browser/v1/auth/sessions").json()["data"]
    assert len(listed) == 2
    others = [entry["id"] for entry in listed if not entry["is_current"]]
    answer = send(first, "delete", "browser/v1/auth/sessions", {"sessions": others})
    assert [entry["is_current"] for entry in answer.json()["data"]] == [True]
    assert (first.user, second.user) == ("alice", "")


@pytest.fixture
def app(alice):
    """An application without cookies, and the token of alice's session."""
    client = Client()
    answer = send(client, "post", "app/v1/auth/login", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    assert "sessionid" not in client.cookies
    return client, answer.json()["meta"]["session_token"]


def test_an_app_client_is_known_by_its_session_token(app):
    client, token = app
    answer = send(client, "get", "app/v1/auth/session", **{"X-Session-Token": token})
    assert answer.json()["data"]["user"]["username"] == "alice"
    assert send(client, "get", "app/v1/auth/session").status_code == 401
    assert rows() == {token}


@pytest.mark.parametrize("middleware", ["our middleware"], indirect=True)  # which knows the client
def test_the_session_of_an_app_client_has_its_address_and_user_agent(alice):
    client = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "Phone/1.0"})
    answer = send(client, "post", "app/v1/auth/login", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    session = Session.objects.get(user=alice)
    assert (session.ip_address, session.user_agent) == ("192.0.2.7", "Phone/1.0")


@pytest.mark.parametrize("middleware", ["our middleware"], indirect=True)
def test_a_look_at_the_list_is_no_use_from_elsewhere(alice, settings):
    settings.SESSIONKEEPER = {"ON_ADDRESS_CHANGE": "end", "ON_USER_AGENT_CHANGE": "end"}
    first = Browser(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "First/1.0"})
    second = Browser(REMOTE_ADDR="198.51.100.7", headers={"User-Agent": "Second/1.0"})
    sign_in(first)
    sign_in(second)
    first.get("/accounts/sessions/")
    assert (first.user, second.user) == ("alice", "alice")


def test_an_app_client_that_signed_out_is_refused(app):
    client, token = app
    assert send(client, "delete", "app/v1/auth/session", **{"X-Session-Token": token}).status_code == 401
    assert send(client, "get", "app/v1/auth/session", **{"X-Session-Token": token}).status_code == 410
    assert signed_in() == 0


def test_an_app_client_changes_the_password_keeps_its_session_and_ends_the_others(app, other):
    client, token = app
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = send(client, "post", "app/v1/account/password/change", change, **{"X-Session-Token": token})
    assert answer.status_code == 200, answer.content
    new = answer.json()["meta"].get("session_token", token)
    assert send(client, "get", "app/v1/auth/session", **{"X-Session-Token": new}).status_code == 200
    assert other.user == ""
