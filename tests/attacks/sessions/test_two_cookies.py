"""Two cookies of one name: of two that open sessions none counts, and a sign-in is the way out."""

from __future__ import annotations

import pytest
from django.contrib import auth
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.core import keys
from tests import contents
from tests.unit.middleware.visiting import session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

BACKEND = "django.contrib.auth.backends.ModelBackend"
DOMAIN = "shop.example"


def who(request):
    return HttpResponse(request.user.get_username())


def sign_in(request):
    user = auth.get_user_model().objects.get(pk=request.GET["pk"])
    auth.login(request, user, BACKEND)
    return HttpResponse(status=int(request.GET.get("status", 200)))


def remember(request):
    request.session["a"] = 1
    return HttpResponse()


urlpatterns = [path("who/", who), path("in/", sign_in), path("remember/", remember)]


class Browser:
    """Keeps a cookie for each name, domain, path and partition, as browsers do."""

    def __init__(self, host="www.shop.example"):
        self.host, self.jar = host, {}

    def put(self, value, domain="", name="sessionid"):
        """Hold a cookie that was set before, or by somebody else."""
        self.jar[name, domain, "/", False] = value

    def get(self, url):
        """Send what is held, and keep what comes."""
        sent = "; ".join(f"{name}={value}" for (name, *_), value in self.jar.items())
        answer = Client(headers={"host": self.host, "cookie": sent}).get(url)
        for cookie in answer.cookies.values():
            text = cookie.OutputString()
            parted = "Partitioned" in text.split("; ")
            at = (text.partition("=")[0], cookie["domain"].lstrip("."), cookie["path"], parted)
            self.jar.pop(at, None)
            if cookie["max-age"] != 0:
                self.jar[at] = cookie.value
        return answer

    def held(self, name="sessionid"):
        """What is held under a name, by domain and partition."""
        return {
            (domain, parted): value for (one, domain, _, parted), value in self.jar.items() if one == name
        }

    def sign_in(self, user, status=200):
        return self.get(f"/in/?pk={user.pk}&status={status}")

    @property
    def user(self):
        return self.get("/who/").content.decode()


@pytest.fixture(autouse=True)
def site(settings):
    """A site whose operator set a domain when browsers had cookies already."""
    settings.ALLOWED_HOSTS, settings.SESSION_COOKIE_DOMAIN = [".shop.example"], DOMAIN
    return settings


@pytest.mark.rule("R22")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_sign_in_takes_away_the_cookie_from_before_the_domain_was_set(make_user, order):
    alice, browser = make_user(), Browser()
    for which in order:
        browser.put(session_of(alice), ("", DOMAIN)[which])
    assert browser.user == ""
    assert len(browser.held()) == 2  # without a sign-in nothing is taken away
    browser.sign_in(alice)
    assert browser.held().keys() == {(DOMAIN, False)}
    assert browser.user == alice.get_username()
    stored = contents.count()
    browser.sign_in(alice)
    assert (browser.user, contents.count()) == (alice.get_username(), stored)


def test_it_is_so_by_the_api_and_for_somebody_else_too(make_user):
    alice, bob, browser = make_user(), make_user(), Browser()
    browser.put(session_of(alice))
    browser.put(session_of(bob), DOMAIN)
    browser.sign_in(bob)
    assert browser.user == bob.get_username()


def test_a_domain_that_was_set_before_is_taken_away_where_it_is_still_configured(make_user, site):
    site.SESSIONKEEPER = {"COOKIE_DOMAIN": {"www.shop.example": None, ".shop.example": ".shop.example"}}
    site.SESSION_COOKIE_DOMAIN = None
    alice, browser = make_user(), Browser()
    browser.put(session_of(alice))
    browser.put(session_of(alice), DOMAIN)
    browser.sign_in(alice)
    assert browser.held().keys() == {("", False)}
    assert browser.user == alice.get_username()


def test_a_cookie_from_before_cookies_were_partitioned_is_taken_away(make_user, site):
    site.SESSIONKEEPER = {"COOKIE_PARTITIONED": True}
    site.SESSION_COOKIE_SECURE, site.SESSION_COOKIE_SAMESITE = True, "None"
    alice, browser = make_user(), Browser()
    browser.put(session_of(alice), DOMAIN)
    browser.put(session_of(alice))
    browser.sign_in(alice)
    assert browser.held().keys() == {(DOMAIN, True)}
    assert browser.user == alice.get_username()


# What is not ours


@pytest.mark.parametrize(
    "foreign", ["a" * 32, "xyz", keys.mint().text], ids=["stock", "text", "a key of another"]
)
@pytest.mark.parametrize("place", ["", DOMAIN, "example"])
def test_a_cookie_of_another_application_stays(make_user, foreign, place):
    alice, browser = make_user(), Browser()
    browser.put(foreign, place)
    browser.put(session_of(alice), ("" if place else DOMAIN))
    assert browser.user == alice.get_username()
    browser.sign_in(alice)
    if place != DOMAIN:  # where ours is written
        assert browser.held()[place, False] == foreign
        assert browser.user == alice.get_username()


def test_if_one_of_three_is_of_another_application_none_is_taken_away(make_user):
    """Nobody can tell which of them it is that would be taken away."""
    alice, browser = make_user(), Browser()
    for value, place in (("foreign", ""), (session_of(alice), DOMAIN), (session_of(alice), "example")):
        browser.put(value, place)
    browser.sign_in(alice)
    assert browser.held()["", False] == "foreign"


def test_a_planted_cookie_of_a_wider_domain_stays_for_nobody_here_may_take_it(make_user, site):
    site.ALLOWED_HOSTS, site.SESSION_COOKIE_DOMAIN = [".shop.example"], None
    alice, mallory, browser = make_user(), make_user(), Browser()
    browser.put(session_of(alice))
    browser.put(session_of(mallory), DOMAIN)
    browser.sign_in(alice)
    assert (DOMAIN, False) in browser.held()
    assert browser.user == ""


@pytest.mark.parametrize("status", [200, 302, 403, 500])
@pytest.mark.parametrize("url", ["/who/", "/remember/", "/in/"])
def test_only_a_sign_in_takes_anything_away(make_user, url, status):
    alice, browser = make_user(), Browser()
    browser.put(session_of(alice))
    browser.put(session_of(alice), DOMAIN)
    host_only = browser.held()["", False]
    if url != "/in/":
        browser.get(url)
        assert browser.held()["", False] == host_only
        return
    browser.sign_in(alice, status)
    assert (("", False) in browser.held()) is (browser.user == "")


def test_a_name_that_only_the_host_can_set_is_written_once(make_user, site):
    site.SESSION_COOKIE_NAME, site.SESSION_COOKIE_DOMAIN = "__Host-sessionid", None
    site.SESSION_COOKIE_SECURE = True
    alice, browser = make_user(), Browser()
    browser.put(session_of(alice), "", "__Host-sessionid")
    browser.put(session_of(alice), "somehow", "__Host-sessionid")
    answer = browser.sign_in(alice)
    assert [cookie.key for cookie in answer.cookies.values()].count("__Host-sessionid") == 1
