"""A permission that asks for a recent proof, for views of REST framework."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.permissions import RecentlyAuthenticated
from tests import contents
from tests.conftest import PASSWORD
from tests.http.api_site import urlpatterns as api_routes
from tests.transports import AUTH, Api

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Safe(APIView):
    authentication_classes = [SessionAuthentication, TokenAuthentication]
    permission_classes = [RecentlyAuthenticated(within=timedelta(minutes=5))]

    def get(self, request):
        return Response({"user": request.user.get_username()})


class TwoFactors(Safe):
    permission_classes = [RecentlyAuthenticated(level=2)]


class Somebody(BaseAuthentication):
    """A token of another kind, of whoever the header names."""

    def authenticate(self, request):
        from django.contrib.auth import get_user_model

        name = request.headers.get("X-Somebody")
        return (get_user_model().objects.get_by_natural_key(name), None) if name else None


class Foreign(Safe):
    authentication_classes = [Somebody]


urlpatterns = [
    *api_routes,
    path("safe/", Safe.as_view()),
    path("two/", TwoFactors.as_view()),
    path("foreign/", Foreign.as_view()),
]


@pytest.mark.rule("R30")
def test_a_recent_proof_opens_the_view_and_an_old_one_asks_for_another(either, alice):
    assert either.get("/safe/").json() == {"user": alice.get_username()}
    contents.set_back("authenticated_at", minutes=6)
    refused = either.get("/safe/")
    assert (refused.status_code, refused.json()["detail"].lower()[:20]) == (403, "send your password t")
    assert refused.json()["code"] == "reauthentication_required"  # in DRF's own form of errors too
    assert either.send(AUTH + "reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert either.get("/safe/").status_code == 200


def test_who_is_not_signed_in_gets_a_401(api):
    assert api.get("/safe/").status_code == 401


@pytest.mark.rule("R31")
def test_a_password_alone_is_not_two_factors(either):
    assert either.get("/two/").status_code == 403


def test_the_proof_of_one_user_is_not_that_of_another(signed_in, make_user):
    """A token of bob's with the fresh cookie of alice's."""
    bob = make_user()
    assert signed_in.get("/foreign/", headers={"X-Somebody": bob.get_username()}).status_code == 403
    assert Api().get("/foreign/", headers={"X-Somebody": bob.get_username()}).status_code == 403
