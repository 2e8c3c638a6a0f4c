"""The pages alone, without REST framework's endpoints."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.urls import include, path

from sessionkeeper.auth.decorators import require_recent_authentication
from sessionkeeper.pages.login import admin_login


class Admin(admin.AdminSite):
    @login_not_required
    def login(self, request, extra_context=None):
        return admin_login(request, extra_context)


@login_not_required
def home(request):
    return JsonResponse({"user": request.user.get_username()})


@require_recent_authentication(within=timedelta(minutes=5))
def safe(request):
    return JsonResponse({"opened": True})


urlpatterns = [
    path("safe/", safe),
    path("", home),
    path("auth/", include("sessionkeeper.pages.urls")),
    path("admin/", Admin().urls),
]
