"""Django's own views, admin and middleware."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.models import Session
from tests.thirdparty.conftest import NEW_PASSWORD, PASSWORD, sessions

CHANGE = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
PLACES = {
    "admin": ("/admin/login/", "/admin/logout/", "/admin/", "/admin/password_change/"),
    "auth views": ("/auth/login/", "/auth/logout/", "/auth/password/", "/auth/password/"),
}


@pytest.fixture(params=PLACES)
def place(request):
    """Pages of one part of Django: login, logout, one with a form, password change."""
    return PLACES[request.param]


def test_a_user_signs_in_and_out(browser, place):
    login, logout, page, _ = place
    browser.sign_in(login)
    assert browser.user == "alice"
    assert browser.get(page).status_code == 200
    old = browser.key
    browser.submit(page, to=logout, status=200 if logout.startswith("/admin") else 302)
    assert browser.user == ""
    assert sessions() == 0
    browser.cookies["sessionid"] = old
    assert browser.user == ""


def test_our_backend_says_that_a_password_was_proved_whoever_signs_in(browser, place, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    browser.sign_in(place[0])
    assert Session.objects.get().amr == "pwd"
    browser.force_login(get_user_model().objects.get(username="alice"))
    assert Session.objects.get(pk=keys.parse_id(browser.key[:11])).amr == ""


def test_a_wrong_password_signs_nobody_in(browser, place):
    login = place[0]
    browser.submit(login, {"username": "alice", "password": "wrong"}, status=200)
    assert browser.user == ""
    assert sessions() == 0


def test_a_form_without_its_token_is_refused(browser, place):
    response = browser.post(place[0], {"username": "alice", "password": PASSWORD})
    assert response.status_code == 403
    assert browser.user == ""


def test_a_password_change_keeps_this_session_and_ends_the_others(browser, other, place):
    browser.sign_in(place[0])
    old = browser.key
    browser.submit(place[3], CHANGE)
    assert (browser.user, other.user) == ("alice", "")
    assert browser.key != old
    assert sessions() == 1


def test_the_admin_lists_users_and_adds_one(browser):
    browser.sign_in("/admin/login/")
    assert b"alice@example.org" in browser.get("/admin/auth/user/").content
    fields = {"username": "bob", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    browser.submit("/admin/auth/user/add/", fields)
    assert get_user_model().objects.filter(username="bob").exists()


def test_the_admin_gives_somebody_else_a_password_and_ends_their_sessions(browser, other, django_user_model):
    django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    browser.sign_in("/admin/login/", "root")
    page = reverse(
        "admin:auth_user_password_change", args=[django_user_model.objects.get(username="alice").pk]
    )
    browser.submit(page, {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert (browser.user, other.user) == ("root", "")


def test_a_forgotten_password_is_reset_by_mail_and_ends_all_sessions(browser, other):
    browser.submit("/auth/reset/", {"email": "alice@example.org"})
    link = mail.outbox[0].body.strip()
    page = browser.get(link, follow=True).request["PATH_INFO"]
    assert "set-password" in page
    browser.submit(page, {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD})
    assert (browser.user, other.user) == ("alice", "")
    assert sessions() == 1


def test_a_page_for_members_sends_strangers_to_the_login(browser):
    assert browser.get("/private/").url == "/auth/login/?next=/private/"
    browser.sign_in()
    assert browser.get("/private/").status_code == 200


def test_what_a_visitor_left_is_there_after_the_login_under_another_key(browser):
    browser.get("/remember/")
    before = browser.key
    browser.sign_in()
    assert b"apple" in browser.get("/show/").content
    assert browser.key != before
    stranger = Client()
    stranger.cookies["sessionid"] = before
    assert b"apple" not in stranger.get("/show/").content


def test_messages_are_kept_in_the_session_and_shown_once(browser):
    browser.get("/remember/")
    assert b"kept for the next page" in browser.get("/show/").content
    assert b"kept for the next page" not in browser.get("/show/").content


def test_sessions_work_with_the_cached_template_loader(browser, settings):
    engine = settings.TEMPLATES[0]
    loaders = [
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ]
    options = {**engine["OPTIONS"], "loaders": [("django.template.loaders.cached.Loader", loaders)]}
    settings.TEMPLATES = [{**{k: v for k, v in engine.items() if k != "APP_DIRS"}, "OPTIONS": options}]
    for _ in range(2):
        browser.get("/remember/")
        assert b"kept for the next page" in browser.get("/show/").content
    assert b"apple,apple" in browser.get("/show/").content


def test_the_csrf_token_may_live_in_the_session(browser, settings):
    settings.CSRF_USE_SESSIONS = True
    assert browser.post("/auth/login/", {"username": "alice", "password": PASSWORD}).status_code == 403
    browser.sign_in()
    assert browser.user == "alice"
    assert "csrftoken" not in browser.cookies
    browser.submit("/auth/password/", CHANGE)
    assert browser.user == "alice"
    browser.submit("/auth/password/", to="/auth/logout/")
    assert browser.user == ""


def test_login_required_middleware_knows_the_user(browser, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert browser.get("/awhoami/").url == "/auth/login/?next=/awhoami/"
    browser.sign_in()
    assert browser.get("/awhoami/").json()["user"] == "alice"


@pytest.fixture
def remote(settings):
    """Let the web server say who it is."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]


def test_a_remote_user_has_one_session_until_the_server_names_nobody(browser, remote):
    assert browser.get("/whoami/", REMOTE_USER="alice").content == b"alice"
    key = browser.key
    assert browser.get("/whoami/", REMOTE_USER="alice").content == b"alice"
    assert browser.key == key
    assert browser.get("/whoami/", REMOTE_USER="bob").content == b"bob"
    assert browser.key != key
    assert sessions() == 1
    assert browser.user == ""
    assert sessions() == 0


def test_save_every_request_sends_the_cookie_each_time_and_keeps_the_key(browser, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    browser.sign_in()
    key = browser.key
    for page in ("/plain/", "/whoami/"):
        assert browser.get(page).cookies["sessionid"].value == key
    assert browser.user == "alice"


def test_the_cookie_of_a_session_in_use_lives_on_under_an_idle_timeout(
    browser, middleware, settings, django_assert_num_queries
):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 600}
    browser.sign_in()
    assert "sessionid" not in browser.get("/whoami/").cookies  # used this very moment
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
    before = Session.objects.get()
    with django_assert_num_queries(2 if middleware == "our middleware" else 3):  # the user, read and touched
        sent = browser.get("/whoami/").cookies
    after = Session.objects.get()
    assert after.last_seen_at > before.last_seen_at
    assert (after.version, after.data) == (before.version, before.data)
    if middleware == "our middleware":
        assert "sessionid" not in sent
        assert browser.cookies["sessionid"]["max-age"] > 600
    else:
        assert sent["sessionid"].value == browser.key
        assert sent["sessionid"]["max-age"] == 600


def test_nobody_gets_a_session_for_looking(browser):
    for page in ("/plain/", "/whoami/", "/auth/login/"):
        assert "sessionid" not in browser.get(page).cookies
    assert sessions() == 0


def test_a_page_that_fails_writes_nothing(browser):
    browser.raise_request_exception = False
    browser.sign_in()
    assert browser.get("/broken/").status_code == 500
    assert "broken" not in browser.session
    assert browser.user == "alice"


def test_each_request_may_be_one_transaction(browser, other, settings):
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        browser.sign_in()
        browser.get("/remember/")
        assert b"apple" in browser.get("/show/").content
        browser.submit("/auth/password/", CHANGE)
        assert (browser.user, other.user) == ("alice", "")
        browser.submit("/auth/password/", to="/auth/logout/")
        assert browser.user == ""
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert sessions() == 0


def test_the_test_client_signs_in_and_out(alice):
    client = Client()
    assert client.login(username="alice", password=PASSWORD)
    assert client.get("/whoami/").content == b"alice"
    assert sessions() == 1
    client.logout()
    assert client.get("/whoami/").content == b""
    assert sessions() == 0
    client.force_login(alice)
    assert client.get("/whoami/").content == b"alice"
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_the_test_client_sets_values_in_the_session(alice):
    client = Client()
    client.force_login(alice)
    session = client.session
    session["basket"] = ["pear"]
    session.save()
    assert b"pear" in client.get("/show/").content
    assert client.get("/whoami/").content == b"alice"


def test_django_sessions_need_not_be_installed(browser):
    assert not apps.is_installed("django.contrib.sessions")
    browser.sign_in("/admin/login/")
    assert browser.user == "alice"
    browser.submit("/admin/", to="/admin/logout/", status=200)
    assert browser.user == ""


@pytest.mark.usefixtures("transactional_db")
async def test_the_async_handler_knows_user_and_session(alice, async_client):
    await async_client.aforce_login(alice)
    for visits in (1, 2):
        response = await async_client.get("/awhoami/")
        assert response.json() == {"user": "alice", "visits": visits}
    assert (await async_client.get("/private/")).status_code == 200
    await async_client.alogout()
    assert (await async_client.get("/awhoami/")).json() == {"user": "", "visits": 1}


@pytest.mark.usefixtures("transactional_db")
async def test_the_async_handler_signs_in_by_a_form(alice, async_client):
    response = await async_client.post("/auth/login/", {"username": "alice", "password": PASSWORD})
    assert response.status_code == 302
    assert (await async_client.get("/awhoami/")).json()["user"] == "alice"


@pytest.mark.parametrize(
    "backend",
    [
        "django.contrib.auth.backends.ModelBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    ],
)
def test_the_user_costs_one_query_with_our_middleware(alice, middleware, django_assert_num_queries, backend):
    client = Client()
    client.force_login(alice, backend)
    with django_assert_num_queries(1 if middleware == "our middleware" else 2):
        assert client.get("/whoami/").content == b"alice"


def test_a_key_of_another_engine_is_nobody_and_harms_nothing(browser):
    browser.cookies["sessionid"] = "k" * 32
    assert browser.user == ""
    browser.sign_in()
    assert browser.user == "alice"
    assert len(browser.key) == 40


def test_a_disabled_user_stays_signed_out_when_enabled_again(alice, other):
    alice.is_active = False
    alice.save()
    assert other.user == ""
    alice.is_active = True
    alice.save()
    assert other.user == ""
