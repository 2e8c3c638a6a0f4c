"""Our pages and endpoints in a project that asks everybody to sign in (Django's LoginRequiredMiddleware).

The tests of the pages and the endpoints run under it too: see ``RUN_AGAIN`` in ``conftest.py``.
"""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver, path, reverse

from sessionkeeper import problem_index
from tests.conftest import PASSWORD
from tests.transports import LOGIN_REQUIRED

pytestmark = pytest.mark.django_db

SITES = {"pages": "tests.http.pages_site", "api": "tests.http.api_site"}
ARGUMENTS = {"session_id": "AAAAAAAAAAA", "uid": "MQ", "token": "set-password"}
METHODS = ("get", "post", "delete")
urlpatterns = [
    path("own/", lambda request: HttpResponse("a view that says nothing of it")),
    path("problems/", problem_index.index),
]


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.LOGIN_URL = "/auth/login/"


def ours(site):
    """Return the addresses of all of our routes in a site."""
    (namespace,) = [name for name in get_resolver(site).namespace_dict if name.startswith("sessionkeeper-")]
    resolver = get_resolver(site).namespace_dict[namespace][1]
    for route in resolver.url_patterns:
        assert isinstance(route, URLPattern)
        names = {name: ARGUMENTS[name] for name in route.pattern.converters}
        yield reverse(f"{namespace}:{route.name}", urlconf=site, kwargs=names)


def answers(site, user):
    """Return status and place of every answer of our routes, each to a new client."""
    found = {}
    for address in ours(site):
        for method in METHODS:
            client = Client()
            if user is not None:
                assert client.login(username=user.get_username(), password=PASSWORD)
            response = getattr(client, method)(address)
            place = response.headers.get("Location")
            # How many other sessions ended depends on the requests before.
            found[method, address] = response.status_code, place and re.sub(r"count=\d+", "count", place)
    return found


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("who", ["visitor", "user"])
def test_every_route_of_ours_answers_as_it_does_without(make_user, settings, site, who):
    settings.ROOT_URLCONF = SITES[site]
    user = make_user() if who == "user" else None
    without = answers(SITES[site], user)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    assert answers(SITES[site], user) == without
    assert len(without) > 30


@pytest.mark.urls("tests.http.pages_site")
def test_nobody_is_sent_from_the_sign_in_to_the_sign_in(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    for address in ("/auth/sessions/", "/auth/password/reset/", "/admin/", "/auth/logout/"):
        response = Client().get(address, follow=True)  # which raises where it goes round and round
        assert response.status_code == 200


@pytest.mark.urls("tests.http.test_login_required")
def test_what_is_not_ours_asks_to_sign_in(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    assert Client().get("/own/").status_code == 302
    assert Client().get("/problems/").status_code == 200
