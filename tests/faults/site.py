"""The pages of the outage tests, and some that change the key in the middle of a fault."""

from __future__ import annotations

from django.contrib import auth
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tests.http import outage_site


def write(request):
    """Write one value, which the answer acknowledges."""
    request.session[request.GET["name"]] = request.GET["value"]
    return HttpResponse("written")


def read(request):
    """Show what is written, but for Django's own names."""
    return JsonResponse({name: value for name, value in request.session.items() if not name.startswith("_")})


def turns(request):
    """Change the key after something has happened."""
    request.session["a"] = 1
    for happen in outage_site.IN_BETWEEN:
        happen()
    request.session.cycle_key()
    return HttpResponse("turned")


def leaves(request):
    """Sign out after something has happened."""
    str(request.user)
    for happen in outage_site.IN_BETWEEN:
        happen()
    auth.logout(request)
    return HttpResponse("signed out")


urlpatterns = [
    path("write/", write),
    path("read/", read),
    path("turns/", turns),
    path("leaves/", leaves),
    *outage_site.urlpatterns,
]
