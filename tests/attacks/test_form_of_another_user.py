"""A page was opened as alice; bob signs in in that browser; then the page's form is sent."""

from __future__ import annotations

import re

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.test import AsyncClient, Client
from django.urls import include, path
from rest_framework.views import APIView

from sessionkeeper.api import SessionAuthentication
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.http import transports
from tests.conftest import PASSWORD
from tests.transports import AUTH, Api, problem

FORM = engines["django"].from_string('<form method="post">{% csrf_token %}{{ user }}</form>')
MARKUP = "<form method='post'>{% csrf_token %}</form>"
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}


def page(request):
    """A form of the site's, which shows who is signed in."""
    if request.method == "POST":
        return JsonResponse({"posted_as": request.user.get_username()})
    return HttpResponse(FORM.render({"user": request.user}, request))


def plain(request):
    """A form on a page that does not ask who is signed in."""
    if request.method == "POST":
        return JsonResponse({"posted_as": request.user.get_username()})
    return HttpResponse(engines["django"].from_string(MARKUP).render({}, request))


async def async_page(request):
    user = await request.auser()
    if request.method == "POST":
        return JsonResponse({"posted_as": user.get_username()})
    return HttpResponse(FORM.render({"user": user}, request))


class Notes(APIView):
    authentication_classes = [SessionAuthentication]

    def get(self, request):
        return HttpResponse(FORM.render({"user": request.user}, request._request))

    def post(self, request):
        return JsonResponse({"posted_as": request.user.get_username()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(template_name="admin/login.html", next_page="/page/"), name="login"),
    path("page/", login_required(page)),
    path("plain/", plain),
    path("async_page/", async_page),
    path("notes/", Notes.as_view()),
    path("pages/", include("sessionkeeper.pages.urls")),
    path("api/auth/", include("sessionkeeper.api.urls")),
]
pytestmark = [pytest.mark.django_db, pytest.mark.any_user, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def _site(settings):
    settings.CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"


@pytest.fixture
def bob(make_user):
    return make_user()


@pytest.fixture
def browser(db):
    """The cookies that all tabs of a browser share."""
    return Client(enforce_csrf_checks=True, headers={"Accept": "application/json"})


def token_in(response):
    """Return the token of the form in a page."""
    return re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', response.content)[1].decode()


def open_tab(browser, address="/page/"):
    """Open a page in another tab, and return a function that sends its form."""
    token = token_in(browser.get(address))

    def send(form=None, to=address, **headers):
        data = {"csrfmiddlewaretoken": token, **(form or {})}
        return browser.post(to, data, headers={**OWN, "Accept": "application/json", **headers})

    send.token = token
    return send


def sign_in(browser, user, at="/login/"):
    """Sign in with the stock form, in a tab of its own."""
    send = open_tab(browser, at)
    assert send({"username": user.get_username(), "password": PASSWORD}).status_code == 302


def change_user(browser, user, how):
    """Let another user sign in, after a sign-out, or after the session has ended, or in its place."""
    if how == "signed out":
        assert browser.post("/pages/logout/", headers=OWN).status_code == 302
    elif how == "ended":
        list(registry.revoke_everyone())
    sign_in(browser, user)


HOW = ["signed out", "ended", "over"]


@pytest.mark.rule("R60")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("address", ["/page/", "/notes/", "/async_page/"])
def test_a_form_opened_as_alice_is_not_sent_as_bob(browser, alice, bob, how, address):
    sign_in(browser, alice)
    tab = open_tab(browser, address)
    assert tab().json() == {"posted_as": alice.get_username()}
    change_user(browser, bob, how)
    refused = tab()
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_token_of_another_user")
    assert open_tab(browser, address)().json() == {"posted_as": bob.get_username()}


@pytest.mark.rule("R60")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("lost", ["the cookie", "the secret of a site's own"])
def test_nor_is_one_whose_secret_was_made_while_alice_was_signed_in(browser, alice, bob, how, lost):
    """A browser may forget the cookie of the token and keep that of the session."""
    sign_in(browser, alice)
    if lost == "the cookie":
        del browser.cookies["csrftoken"]
    else:
        browser.cookies["csrftoken"] = "a" * 32
    tab = open_tab(browser)
    change_user(browser, bob, how)
    assert tab().json()["code"] == "csrf_token_of_another_user"


@pytest.mark.rule("R60")
@pytest.mark.parametrize("form", ["sessions/end-others/", "password/change/", "reauthenticate/"])
def test_a_page_of_ours_opened_as_alice_does_nothing_to_bob(browser, alice, bob, form):
    at_home = Api()
    assert at_home.log_in(bob).status_code == 200
    sign_in(browser, alice)
    tab = open_tab(browser, "/pages/password/change/")
    change_user(browser, bob, "over")
    refused = tab({"password": PASSWORD}, to=f"/pages/{form}")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_token_of_another_user")
    assert at_home.whoami().status_code == 200


@pytest.mark.rule("R60")
def test_a_page_that_sends_its_token_to_the_api_is_held_to_it(api, alice, bob):
    assert api.log_in(alice).status_code == 200
    tab = {"X-CSRFToken": api.token(), **OWN}
    assert api.post(AUTH + "sessions/revoke-others/", headers=tab).status_code == 200
    assert api.log_in(bob).status_code == 200
    for address in ("sessions/revoke-others/", "sessions/revoke-all/", "logout/", "login/"):
        problem(api.post(AUTH + address, headers=tab), 403, "csrf_token_of_another_user")
    assert api.whoami().json()["user"]["username"] == bob.get_username()
    fresh = {"X-CSRFToken": api.token(), **OWN}
    assert api.post(AUTH + "sessions/revoke-others/", headers=fresh).status_code == 200


def test_the_token_counts_where_the_browser_says_nothing_as_in_django(browser, alice, bob):
    sign_in(browser, alice)
    tab = open_tab(browser)
    sign_in(browser, bob)
    refused = browser.post(
        "/page/", {"csrfmiddlewaretoken": tab.token}, headers={"Accept": "application/json"}
    )
    assert refused.json()["code"] == "csrf_token_incorrect"


@pytest.mark.parametrize("how", HOW)
def test_what_was_typed_before_the_own_sign_in_is_not_lost(browser, alice, how):
    before, login = open_tab(browser, "/plain/"), open_tab(browser, "/login/")
    sign_in(browser, alice)
    assert before().json() == {"posted_as": alice.get_username()}
    tab = open_tab(browser)
    change_user(browser, alice, how)
    assert tab().json() == {"posted_as": alice.get_username()}
    assert login({"username": alice.get_username(), "password": PASSWORD}).status_code == 302


def test_a_form_without_a_token_is_sent_as_whoever_is_signed_in(browser, alice, bob):
    sign_in(browser, alice)
    sign_in(browser, bob)
    assert browser.post("/page/", headers=OWN).json() == {"posted_as": bob.get_username()}


@pytest.mark.parametrize("token", ["", "x", "user" + "a" * 28, "ü" * 64, "user" + "-" * 28, "\0" * 64])
def test_any_token_is_refused_or_ignored_not_raised(browser, alice, token):
    sign_in(browser, alice)
    response = browser.post("/page/", {"csrfmiddlewaretoken": token}, headers=OWN)
    assert response.status_code == (403 if token.startswith("usera") else 200)


def test_a_new_secret_key_refuses_nobodys_form(browser, alice, settings):
    sign_in(browser, alice)
    tab = open_tab(browser)
    sign_in(browser, alice)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert tab().json() == {"posted_as": alice.get_username()}


def test_a_secret_in_the_session_names_the_user_too(browser, alice, bob, settings):
    settings.CSRF_USE_SESSIONS = True
    sign_in(browser, alice)
    tab = open_tab(browser)
    sign_in(browser, bob)
    assert tab().json()["code"] == "csrf_token_of_another_user"


def test_the_secret_is_djangos_in_form_and_names_one_user():
    request = type("Request", (), {"META": {}})()
    transports.own_csrf_secret(request, "7")
    secret = request.META[transports.CSRF_SECRET]
    assert re.fullmatch("user[a-zA-Z0-9]{28}", secret)
    assert transports.names(keys.Secret(secret), "7")
    assert not transports.names(keys.Secret(secret), "8")


@pytest.mark.rule("R60")
def test_under_asgi_a_form_opened_as_alice_is_not_sent_as_bob(alice, bob):
    browser = AsyncClient(enforce_csrf_checks=True, headers={"Accept": "application/json"})
    get, post = async_to_sync(browser.get), async_to_sync(browser.post)
    opened = None
    for user, code in ((alice, None), (bob, "csrf_token_of_another_user")):
        token = token_in(get("/login/"))
        data = {"csrfmiddlewaretoken": token, "username": user.get_username(), "password": PASSWORD}
        assert post("/login/", data, headers=OWN).status_code == 302
        opened = opened or token_in(get("/async_page/"))
        response = post("/async_page/", {"csrfmiddlewaretoken": opened}, headers=OWN)
        assert response.json().get("code") == code
        response = post("/async_page/", headers={"X-CSRFToken": opened, **OWN})
        assert response.json().get("code") == code
