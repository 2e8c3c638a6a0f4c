"""REST framework's ``force_authenticate()``: a user without a session, as tests of projects have it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import include, path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.response import Response
from rest_framework.test import APIClient

from sessionkeeper.api.permissions import RecentlyAuthenticated
from sessionkeeper.api.scopes import HasScope
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from tests.conftest import PASSWORD


@api_view(["POST"])
@permission_classes([HasScope("write")])
def scoped(request):
    """Ask bearer sessions for a scope."""
    return Response(request.user.get_username())


@api_view(["POST"])
@permission_classes([RecentlyAuthenticated()])
def guarded(request):
    """Ask for a recent proof."""
    return Response(request.user.get_username())


urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("scoped/", scoped),
    path("guarded/", guarded),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def user(make_user):
    """A user who has one session, in a browser."""
    user = make_user()
    Client().force_login(user)
    return user


@pytest.fixture
def client(user):
    """A client that is authenticated by force."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_the_user_is_there_and_the_session_is_null(client, user):
    answer = client.get("/auth/session/")
    assert answer.status_code == 200
    assert answer.json()["user"]["username"] == user.get_username()
    assert answer.json()["session"] is None


def test_the_lists_show_the_sessions_of_the_user_and_none_of_them_is_this_one(client):
    assert [one["current"] for one in client.get("/auth/sessions/").json()["results"]] == [False]
    assert client.get("/auth/sessions/history/").status_code == 200


def test_views_of_the_project_know_the_user(client, user):
    assert client.post("/scoped/").json() == user.get_username()


def test_what_asks_for_a_proof_has_none(client, user):
    own = f"/auth/sessions/{keys.encode_id(registry.list_for(user)[0].id)}/"
    for answer in (
        client.delete(own),
        client.post("/auth/sessions/revoke-others/"),
        client.post("/auth/sessions/revoke-all/"),
        client.post("/auth/password/change/", {"current_password": PASSWORD, "new_password": "other horse"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert client.post("/guarded/").status_code == 403
    assert client.post("/auth/reauthenticate/", {"password": PASSWORD}).status_code == 409
    client = APIClient()
    client.force_login(user)
    assert client.post("/guarded/").status_code == 200
    assert client.post("/auth/reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert client.delete(own).status_code == 204


def test_it_signs_out_and_in(client, user):
    assert client.post("/auth/logout/").status_code == 204
    credentials = {"username": user.get_username(), "password": PASSWORD}
    answer = client.post("/auth/login/", credentials)
    assert answer.json()["session"]["current"] is True
