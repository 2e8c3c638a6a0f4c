"""The pages alone, without REST framework's endpoints."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.test import Client
from django.urls import include, path

from sessionkeeper.auth.decorators import require_recent_authentication
from sessionkeeper.pages.login import admin_login
from tests import contents
from tests.conftest import PASSWORD


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


#: A new password.
NEW = "a-much-longer-horse-than-before"


class Visitor(Client):
    """A browser without scripts: it opens a page, fills in the form and sends what the form holds."""

    def __init__(self, **defaults):
        super().__init__(enforce_csrf_checks=True, **defaults)

    def submit(self, path, action=None, **fields):
        page = self.get(path).content.decode()
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
        return self.post(
            action or path, {**{name: unescape(text) for name, text in hidden.items()}, **fields}
        )

    def log_in(self, user, password=PASSWORD, query="", **fields):
        return self.submit(f"/auth/login/{query}", username=user.get_username(), password=password, **fields)


def who(client):
    return client.get("/").json()["user"]


def grow_old():
    contents.set_back("authenticated_at", days=1)
