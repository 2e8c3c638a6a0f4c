"""Who is this, asked from both kinds of views, and the API."""

from __future__ import annotations

from django.http import JsonResponse
from django.urls import include, path


def who(request):
    return JsonResponse({"user": request.user.get_username(), "is_superuser": request.user.is_superuser})


async def who_async(request):
    user = await request.auser()
    return JsonResponse({"user": user.get_username(), "is_superuser": user.is_superuser})


def keep(request):
    request.session["kept"] = request.GET["value"]
    return JsonResponse({"kept": request.session["kept"]})


urlpatterns = [
    path("who/", who),
    path("who-async/", who_async),
    path("keep/", keep),
    path("api/", include("sessionkeeper.api.urls")),
]
