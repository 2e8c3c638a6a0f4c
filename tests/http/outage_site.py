"""Pages that use the session in all the ways that an outage can meet."""

from __future__ import annotations

from django.contrib import auth
from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpResponse, JsonResponse
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
