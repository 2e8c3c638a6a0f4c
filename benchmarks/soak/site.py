"""The site that is soaked: sessionkeeper's own endpoints, and two views that read and write the session."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_POST


def read(request: Any) -> HttpResponse:
    """Who is signed in, and what is written in the session; 401 for nobody."""
    return _shown(request.user, dict(request.session.items()) if request.user.is_authenticated else {})


async def read_async(request: Any) -> HttpResponse:
    """Do the same in an event loop."""
    user = await request.auser()
    return _shown(user, dict(await request.session.aitems()) if user.is_authenticated else {})


def _shown(user: Any, data: dict[str, Any]) -> HttpResponse:
    if not user.is_authenticated:
        return JsonResponse({}, status=401)
    shown = {name: value for name, value in data.items() if name.startswith("v")}
    torn = [name for name, value in shown.items() if data.get(f"copy-{name}") != value]
    return JsonResponse({"user": user.get_username(), "data": shown, "torn": torn})


@require_POST
def write(request: Any, name: str, value: int) -> HttpResponse:
    """Write one value under two names; the answer acknowledges it, once the session has been saved."""
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    request.session[name] = request.session[f"copy-{name}"] = value
    return JsonResponse({"written": value})


def public(request: Any) -> HttpResponse:
    """Need no session."""
    return HttpResponse("hello")


urlpatterns = [
    path("read/", read),
    path("read/async/", read_async),
    path("write/<name>/<int:value>/", write),
    path("public/", public),
    path("api/auth/", include("sessionkeeper.api.urls")),
]
