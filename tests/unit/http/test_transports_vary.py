"""What caches are told: on a site with tokens that a response depends on them, also where none was sent."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_url_caches, include, path
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from sessionkeeper.api import TokenAuthentication
from sessionkeeper.core import keys
from sessionkeeper.http.transports import Bearer
from tests.unit.middleware.visiting import session_of

pytestmark = pytest.mark.django_db


def who(request):
    return HttpResponse(str(request.user.pk))


def untouched(request):
    return HttpResponse("untouched")


@api_view()
@authentication_classes([TokenAuthentication])
def for_programs(request):
    return Response("hello")


PAGES = [path("who/", who), path("untouched/", untouched)]


class NoTokens:
    urlpatterns = PAGES


class Tokens:
    urlpatterns = [*PAGES, path("api/", include("sessionkeeper.api.urls"))]


class DeepTokens:
    urlpatterns = [*PAGES, path("v1/", include((Tokens.urlpatterns, "v1"), namespace="v1"))]


class OwnTokens:
    urlpatterns = [*PAGES, path("programs/", for_programs)]


@pytest.fixture(autouse=True)
def _urls():
    yield
    clear_url_caches()


@pytest.mark.urls.with_args(NoTokens)
def test_a_site_without_tokens_names_the_cookie_as_django_does(make_user):
    assert Client().get("/who/")["Vary"] == "Cookie"
    signed_in = Client(headers={"cookie": f"sessionid={session_of(make_user())}"})
    assert signed_in.get("/who/")["Vary"] == "Cookie"
    assert "Vary" not in signed_in.get("/untouched/").headers


@pytest.mark.rule("R24")
@pytest.mark.parametrize("urls", [Tokens, DeepTokens])
def test_a_site_with_tokens_names_both_to_everybody(make_user, settings, urls):
    settings.ROOT_URLCONF = urls
    token = keys.to_bearer(keys.mint())
    by_cookie = {"cookie": f"sessionid={session_of(make_user())}"}
    for headers in ({}, by_cookie, {"Authorization": f"Bearer {token}"}):
        assert Client(headers=headers).get("/who/")["Vary"] == "Cookie, Authorization"
        assert "Vary" not in Client(headers=headers).get("/untouched/").headers


@pytest.mark.urls.with_args(NoTokens)
def test_tokens_of_another_host_of_the_site_count(rf, settings):
    from sessionkeeper.http import transports

    request = rf.get("/")
    assert not transports.takes_tokens(request)
    request.urlconf = Tokens
    assert transports.takes_tokens(request)
    settings.ROOT_URLCONF, request.urlconf = Tokens, NoTokens
    assert transports.takes_tokens(request)


@pytest.mark.urls.with_args(OwnTokens)
def test_a_view_that_looks_for_a_token_says_so_without_reading_a_session(django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/programs/")
    assert {"Cookie", "Authorization"} <= set(answer["Vary"].split(", "))
    assert Client().get("/who/")["Vary"] == "Cookie, Authorization"


@pytest.mark.urls.with_args(NoTokens)
def test_a_token_of_a_project_that_issues_them_by_itself_shows_that_there_are_some():
    assert not Bearer.met
    Client(headers={"Authorization": "Bearer sess_x"}).get("/who/")
    assert Client().get("/who/")["Vary"] == "Cookie, Authorization"
