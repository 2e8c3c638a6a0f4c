"""The middleware: what a browser is given, sync and async, and what Django's own helpers make of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, Client

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import SessionMiddleware
from tests import contents
from tests.unit.middleware.browsing import ACTIONS, Browser, put_and

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.middleware.browsing")]

#: What the next request does, by name; sync functions of the request.


def stored(browser):
    """The row of the browser's session."""
    return contents.row(keys.parse(browser.key).id)


# Signing in and out


def test_a_sign_in_sets_the_cookie_and_the_columns(browser, make_user):
    user = make_user()
    response = browser.do(lambda request: auth.login(request, user), **{"user-agent": "Test/1"})
    cookie = response.cookies["sessionid"]
    assert keys.parse(cookie.value)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] in range(30 * 86400 - 60, 30 * 86400 + 1)
    row = stored(browser)
    assert row.user_id == user.pk
    assert (row.user_agent, row.ip_address, row.transport) == ("Test/1", "127.0.0.1", "cookie")
    assert row.authenticated_at == row.created_at
    assert browser.whoami() == str(user.pk)


def test_a_sign_in_keeps_what_the_visitor_had_and_kills_the_old_key(browser, make_user):
    browser.put("cart", [1])
    old, row = browser.key, stored(browser)
    browser.sign_in(make_user())
    assert browser.key != old
    assert stored(browser).pk == row.pk
    assert stored(browser).data["cart"] == [1]
    assert "cart" not in SessionStore(old)


def test_the_same_user_who_signs_in_again_gets_another_key_and_time(browser, make_user):
    user = make_user()
    browser.sign_in(user)
    old = browser.key
    contents.set_back("authenticated_at", hours=5)
    browser.sign_in(user)
    assert browser.key != old
    assert contents.count() == 1
    assert registry.now() - stored(browser).authenticated_at < timedelta(hours=1)
    assert not SessionStore(old).get(auth.SESSION_KEY)


def test_another_user_who_signs_in_finds_nothing_of_the_first(browser, make_user):
    first, second = make_user(), make_user()
    browser.sign_in(first)
    browser.put("secret", "of the first")
    old = browser.key
    browser.sign_in(second)
    assert "secret" not in stored(browser).data
    assert stored(browser).user_id == second.pk
    assert keys.parse(browser.key).id != keys.parse(old).id
    assert registry.list_for(first) == []
    assert browser.whoami() == str(second.pk)


@pytest.mark.rule("R08")
def test_a_sign_out_ends_the_session_and_takes_the_cookie(browser, make_user):
    browser.sign_in(make_user())
    key = browser.key
    response = browser.do(auth.logout)
    assert response.cookies["sessionid"]["max-age"] == 0
    assert not contents.records()
    browser.client.cookies["sessionid"] = key
    assert browser.whoami() == "None"


def test_what_is_stored_after_a_sign_out_is_another_session(browser, make_user):
    browser.sign_in(make_user())
    old = browser.key

    def view(request):
        auth.logout(request)
        request.session["later"] = 1

    browser.do(view)
    assert keys.parse(browser.key).id != keys.parse(old).id
    assert stored(browser).data == {"later": 1}
    assert stored(browser).user_id is None


@pytest.mark.rule("R16")
def test_a_password_change_keeps_the_own_session_and_ends_the_others(browser, make_user):
    user = make_user()
    other = Browser("sync")
    other.sign_in(user)
    browser.sign_in(user)
    old = browser.key

    def change(request):
        request.user.set_password("new")
        request.user.save()
        auth.update_session_auth_hash(request, request.user)

    browser.do(change)
    assert browser.key != old
    assert browser.whoami() == str(user.pk)
    assert other.whoami() == "None"
    assert contents.count() == 1


def test_djangos_test_client_signs_in_and_out(make_user):
    user, client = make_user(), Client()
    client.force_login(user)
    assert contents.record().user_id == user.pk
    assert client.session[auth.SESSION_KEY] == str(user.pk)
    session = client.session
    session["a"] = 1
    session.save()
    ACTIONS["it"] = lambda request: HttpResponse(f"{request.user.pk} {request.session['a']}")
    assert client.get("/it/").text == f"{user.pk} 1"
    client.logout()
    assert not contents.records()
    name = type(user).USERNAME_FIELD
    assert client.login(password="correct horse battery staple", **{name: user.get_username()})
    assert contents.record().user_id == user.pk


def test_djangos_async_test_client_signs_in_and_out(make_user):
    user, client = make_user(), AsyncClient()
    async_to_sync(client.aforce_login)(user)
    assert contents.record().user_id == user.pk
    async_to_sync(client.alogout)()
    assert not contents.records()


@pytest.mark.parametrize("use_tz", [True, False])
def test_sessions_work_under_either_time_zone_setting(browser, make_user, settings, use_tz):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Kathmandu"
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 600}
    user = make_user()
    browser.sign_in(user)
    assert browser.whoami() == str(user.pk)
    contents.set_back("last_seen_at", seconds=500)
    assert browser.whoami() == str(user.pk)
    contents.set_back("last_seen_at", seconds=601)
    assert browser.whoami() == "None"


# The cookie and the headers


def test_a_changed_value_sets_no_cookie(browser):
    browser.put("a")
    assert not browser.put("a", 2).cookies


def test_another_expiry_sets_the_cookie_again(browser):
    browser.put("a")
    response = browser.do(lambda request: request.session.set_expiry(timedelta(hours=1)))
    assert response.cookies["sessionid"]["max-age"] in range(3590, 3601)
    response = browser.do(lambda request: request.session.set_expiry(0))
    assert response.cookies["sessionid"]["max-age"] == ""


def test_saving_every_request_touches_and_sets_the_cookie_each_time(browser, settings):
    browser.put("a")
    settings.SESSION_SAVE_EVERY_REQUEST = True
    contents.set_back("last_seen_at", seconds=10)
    response = browser.do(lambda request: None)
    assert response.cookies["sessionid"].value == browser.key
    assert registry.now() - stored(browser).last_seen_at < timedelta(seconds=9)


@pytest.mark.rule("R21")
def test_names_and_flags_are_djangos_settings(browser, settings):
    settings.SESSION_COOKIE_NAME = "__Secure-id"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_PATH = "/it/"
    settings.SESSION_COOKIE_DOMAIN = "example.org"
    cookie = browser.put("a").cookies["__Secure-id"]
    assert (cookie["secure"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
        True,
        "Strict",
        "/it/",
        "example.org",
    )


@pytest.mark.parametrize("agent", ["x" * 5000, "a\0b\nc\x1b[31m", "é" * 600, ""])
def test_a_strange_user_agent_is_cleaned_and_cut(browser, make_user, agent):
    user = make_user()
    browser.do(lambda request: auth.login(request, user), **{"user-agent": agent})
    assert stored(browser).user_agent.isprintable()
    assert len(stored(browser).user_agent) <= 512


# Failures


def test_a_session_that_ended_while_it_was_read_makes_no_fuss(browser):
    browser.put("a")
    key = browser.key

    def view(request):
        request.session.get("a")
        SessionStore(key).delete()

    assert browser.do(view).status_code == 200


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_view_that_fails_saves_nothing(browser, status):
    browser.put("a")
    assert browser.do(put_and(lambda request: HttpResponse(status=status))).status_code == status
    assert stored(browser).data == {"a": 1}


@pytest.mark.parametrize("status", [200, 302, 404, 499])
def test_a_view_that_answers_saves(browser, status):
    browser.put("a")
    browser.do(put_and(lambda request: HttpResponse(status=status)))
    assert stored(browser).data == {"a": 1, "b": 2}


def test_a_view_that_raises_saves_nothing(browser):
    browser.put("a")
    assert browser.do(put_and(lambda request: 1 / 0)).status_code == 500
    assert stored(browser).data == {"a": 1}


# In company


def test_it_needs_its_own_engine(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    with pytest.raises(ImproperlyConfigured, match=r"sessionkeeper\.engine"):
        SessionMiddleware(lambda request: None)


def test_djangos_middleware_works_over_the_engine_and_touches(make_user, settings):
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    browser, user = Browser("sync"), make_user()
    browser.sign_in(user)
    contents.set_back("last_seen_at", hours=1)
    assert browser.whoami() == str(user.pk)
    assert registry.now() - stored(browser).last_seen_at < timedelta(minutes=30)
