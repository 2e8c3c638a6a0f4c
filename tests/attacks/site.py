"""The API, Django's own login form and admin, pages that remember, a page that redirects."""

from __future__ import annotations

from itertools import count

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import JsonResponse
from django.urls import include, path
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from sessionkeeper.api import TokenAuthentication


def remembered(request):
    request.session["remembered"] = "by the attacker"
    return JsonResponse({})


def remember(request):
    return JsonResponse({"remembered": request.session.get("remembered")})


@login_required
def private(request):
    return JsonResponse({"user": request.user.get_username()})


def greeting(request):
    """A page for everybody, which greets those who are signed in."""
    return JsonResponse({"hello": request.user.get_username(), "number": next(_numbers)})


@api_view()
@authentication_classes([TokenAuthentication])
def program_greeting(request):
    """The same for programs only: it does not read the session."""
    return Response({"hello": request.user.username, "number": next(_numbers)})


def public(request):
    return JsonResponse({"number": next(_numbers)})


_numbers = count()


class BoomError(Exception):
    pass


def boom(request):
    user, session = request.user, request.session
    raise BoomError(str(user), session)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("remembered/", remembered),
    path("remember/", remember),
    path("private/", private),
    path("boom/", boom),
    path("public/", public),
    path("greeting/", greeting),
    path("greeting/program/", program_greeting),
]
