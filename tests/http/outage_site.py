"""Pages that use the session in all the ways that an outage can meet, and who visits them."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.contrib import auth
from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response

from tests.conftest import PASSWORD

#: What happens in the middle of ``/breaks/``.
IN_BETWEEN = []


@login_not_required
def public(request):
    return HttpResponse("hello")


def me(request):
    return HttpResponse(f"you are {request.user.pk}")


async def me_async(request):
    return HttpResponse(f"you are {(await request.auser()).pk}")


@login_required
def members(request):
    return HttpResponse(f"you are {request.user.pk}")


def lazily(request):
    return JsonResponse({"a": request.session.get("a")})


@api_view()
def drf(request):
    return Response({"user": str(request.user.pk)})


def write(request):
    request.session["a"] = 1
    return HttpResponse("written")


def breaks(request):
    request.session["a"] = 1
    for happen in IN_BETWEEN:
        happen()
    return HttpResponse("written")


async def breaks_async(request):
    await request.session.aset("a", 1)
    for happen in IN_BETWEEN:
        happen()
    return HttpResponse("written")


def sign_in(request):
    name = auth.get_user_model().USERNAME_FIELD
    auth.login(request, auth.authenticate(request, password=PASSWORD, **{name: request.GET["name"]}))
    return HttpResponse("signed in")


def sign_out(request):
    auth.logout(request)
    return HttpResponse("signed out")


urlpatterns = [
    path("public/", public),
    path("me/", me),
    path("me/async/", me_async),
    path("members/", members),
    path("lazily/", lazily),
    path("drf/", drf),
    path("write/", write),
    path("breaks/", breaks),
    path("breaks/async/", breaks_async),
    path("login/", sign_in),
    path("logout/", sign_out),
]


class Visitor(Client):
    """A browser that lets errors become the pages that a visitor would see."""

    def __init__(self):
        super().__init__(raise_request_exception=False)

    def page(self, page, accept="application/json", **query):
        """Fetch a page."""
        return self.get(f"/{page}/", query, headers={"accept": accept})


class AsyncVisitor(AsyncClient):
    """The same in an event loop."""

    def __init__(self):
        super().__init__(raise_request_exception=False)

    def page(self, page, accept="application/json", **query):
        """Fetch a page."""
        return async_to_sync(self.get)(f"/{page}/", query, headers={"accept": accept})


def assert_outage(response):
    """Check that the answer is that of an outage."""
    assert response.status_code == 503, response.text
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
