"""A domain for each host, and cookies of a site that others embed."""

from __future__ import annotations

import copy
import pickle

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client
from django.urls import include, path

from tests import contents
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def put(request):
    request.session["a"] = 1
    return HttpResponse(get_token(request))


def flush(request):
    request.session.flush()
    return HttpResponse()


urlpatterns = [
    path("put/", put),
    path("flush/", flush),
    path("api/", include("sessionkeeper.api.urls")),
]


def domain_of_host(request):
    """Tenants share the domain of their group."""
    host = request.get_host().partition(":")[0]
    return "group.example" if host.endswith(".group.example") else None


def elsewhere(request):
    """Answers a domain of somebody else."""
    return "example.net"


@pytest.fixture
def any_host(settings):
    """Every host name is this site."""
    settings.ALLOWED_HOSTS = ["*"]


@pytest.fixture
def partitioned(settings):
    """The settings of a site that others embed."""
    settings.SESSIONKEEPER = {"COOKIE_PARTITIONED": True}
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = settings.CSRF_COOKIE_SAMESITE = "None"


def headers(response):
    """The cookies of an answer as they go over the wire, by name."""
    texts = [cookie.output(header="").strip() for cookie in response.cookies.values()]
    return {text.partition("=")[0]: text.split("; ") for text in texts}


# Domains


MAPPING = {
    "shop.example": None,
    ".shop.example": "shop.example",
    ".deep.shop.example": ".deep.shop.example",
    "www.other.example": "other.example",
}


@pytest.mark.rule("R21")
@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("shop.example", ""),
        ("a.shop.example", "shop.example"),
        ("b.a.shop.example:8443", "shop.example"),
        ("x.deep.shop.example", ".deep.shop.example"),
        ("WWW.Other.Example", "other.example"),
        ("evilshop.example", "default.example"),
        ("other.example", "default.example"),
        ("[::1]:8000", "default.example"),
    ],
)
def test_a_mapping_gives_each_host_its_domain(settings, any_host, host, domain):
    settings.SESSION_COOKIE_DOMAIN = "default.example"
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": MAPPING}
    browser = Client()
    assert browser.get("/put/", headers={"host": host}).cookies["sessionid"]["domain"] == domain
    gone = browser.get("/flush/", headers={"host": host}).cookies["sessionid"]
    assert (gone.value, gone["domain"]) == ("", domain)


@pytest.mark.parametrize("value", [domain_of_host, f"{__name__}.domain_of_host"])
def test_a_function_gives_each_request_its_domain_to_known_devices_too(settings, any_host, make_user, value):
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": value}
    credentials = {"username": make_user().get_username(), "password": PASSWORD}
    for host, domain in (("a.group.example", "group.example"), ("b.example", "")):
        cookies = Client().post("/api/login/", credentials, headers={"host": host}).cookies
        assert {cookies[name]["domain"] for name in ("sessionid", "sessionid-device-key")} == {domain}


def test_a_domain_that_the_host_may_not_set_is_an_error_and_not_a_silent_nothing(settings, any_host):
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": elsewhere}
    with pytest.raises(ImproperlyConfigured, match=r"'example.net' for the host 'a.example'"):
        Client().get("/put/", headers={"host": "a.example"})


# Cookies of a site that others embed


@pytest.mark.rule("R21")
def test_all_cookies_are_partitioned_when_they_are_set_and_when_they_are_taken_away(partitioned, make_user):
    credentials = {"username": make_user().get_username(), "password": PASSWORD}
    browser = Client()
    given = headers(browser.post("/api/login/", credentials, secure=True))
    assert given.keys() == {"sessionid", "sessionid-device-key", "csrftoken"}
    for attributes in given.values():
        assert {"Partitioned", "Secure", "SameSite=None"} <= set(attributes)
        assert attributes.count("Partitioned") == 1
    assert contents.record(browser_id(browser)).user_id is not None
    taken = headers(browser.get("/flush/", secure=True))["sessionid"]
    assert taken[0] == 'sessionid=""'
    assert {"Partitioned", "Secure", "SameSite=None", "Max-Age=0"} <= set(taken)


def browser_id(browser):
    """The id of the browser's session."""
    from sessionkeeper.core import keys

    return keys.parse(browser.cookies["sessionid"].value).id


def test_the_csrf_cookie_is_partitioned_under_asgi_too(partitioned):
    response = async_to_sync(AsyncClient().get)("/put/")
    assert all("Partitioned" in attributes for attributes in headers(response).values())
    assert headers(response).keys() == {"sessionid", "csrftoken"}


def test_nothing_is_partitioned_without_the_setting():
    for attributes in headers(Client().get("/put/")).values():
        assert "Partitioned" not in attributes


def test_a_partitioned_cookie_survives_copies(partitioned):
    response = Client().get("/put/")
    for copied in (pickle.loads(pickle.dumps(response.cookies)), copy.deepcopy(response.cookies)):
        assert "Partitioned" in copied["sessionid"].OutputString().split("; ")
