"""The pages alone, without REST framework's endpoints."""

from __future__ import annotations

from django.contrib import admin
from django.http import JsonResponse
from django.urls import include, path

from sessionkeeper.pages.signing import admin_login


class Admin(admin.AdminSite):
    def login(self, request, extra_context=None):
        return admin_login(request, extra_context)


def home(request):
    return JsonResponse({"user": request.user.get_username()})


urlpatterns = [
    path("", home),
    path("auth/", include("sessionkeeper.pages.urls")),
    path("admin/", Admin().urls),
]
