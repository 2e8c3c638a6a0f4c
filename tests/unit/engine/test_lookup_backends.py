"""A site that replaces Django's ModelBackend by ours, or goes back, signs nobody out, whenever it does so."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from sessionkeeper.engine.lookup import follow_backend
from tests import contents

DJANGOS = "django.contrib.auth.backends.ModelBackend"
OURS = "sessionkeeper.backends.ModelBackend"
LOCKOUT = "sessionkeeper.backends.LockoutBackend"


def who(request):
    return HttpResponse(request.user.get_username())


async def awho(request):
    return HttpResponse((await request.auser()).get_username())


def write(request):
    request.session["a"] = 1
    return HttpResponse(request.user.get_username())


class Strict:
    """A backend of the site's own."""

    def authenticate(self, request, **credentials):
        return None

    def get_user(self, user_id):
        return get_user_model().objects.filter(pk=user_id).first()


urlpatterns = [path("who/", who), path("awho/", awho), path("write/", write)]
pytestmark = [pytest.mark.django_db, pytest.mark.any_user, pytest.mark.urls(__name__)]


@pytest.fixture(params=["ours", "django's"])
def middleware(request, settings):
    """Whose middleware the site has."""
    if request.param != "ours":
        for name, package in (("Session", "sessions"), ("Authentication", "auth")):
            ours = f"sessionkeeper.middleware.{name}Middleware"
            djangos = f"django.contrib.{package}.middleware.{name}Middleware"
            settings.MIDDLEWARE = [djangos if one == ours else one for one in settings.MIDDLEWARE]


@pytest.mark.usefixtures("middleware")
@pytest.mark.parametrize(
    ("first", "second"), [([DJANGOS], [OURS]), ([OURS], [DJANGOS]), ([DJANGOS], [LOCKOUT, OURS])]
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_who_was_signed_in_stays_signed_in(make_user, settings, first, second, way):
    user = make_user()
    settings.AUTHENTICATION_BACKENDS = first
    client = {"sync": Client, "async": AsyncClient}[way]()
    client.force_login(user, backend=first[0])
    settings.AUTHENTICATION_BACKENDS = second
    get = client.get if way == "sync" else async_to_sync(client.get)
    for view in ("who", "awho", "write", "who"):
        assert get(f"/{view}/").content.decode() == user.get_username()
    assert contents.data()[BACKEND_SESSION_KEY] == second[-1]  # with the next write
    settings.AUTHENTICATION_BACKENDS = first
    assert get("/who/").content.decode() == user.get_username()


@pytest.mark.usefixtures("middleware")
def test_while_both_are_there_nothing_changes_and_after_that_nobody_is_out(make_user, settings):
    user, client = make_user(), Client()
    settings.AUTHENTICATION_BACKENDS = [DJANGOS]
    client.force_login(user, backend=DJANGOS)
    settings.AUTHENTICATION_BACKENDS = [OURS, DJANGOS]
    assert client.get("/write/").content.decode() == user.get_username()
    assert contents.data()[BACKEND_SESSION_KEY] == DJANGOS
    settings.AUTHENTICATION_BACKENDS = [OURS]
    assert client.get("/who/").content.decode() == user.get_username()


@pytest.mark.usefixtures("middleware")
def test_no_other_backend_stands_for_another(make_user, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Strict", DJANGOS]
    client = Client()
    client.force_login(make_user(), backend=f"{__name__}.Strict")
    for left in ([DJANGOS], [OURS], [OURS, DJANGOS]):
        settings.AUTHENTICATION_BACKENDS = left
        assert client.get("/who/").content == b""


@pytest.mark.parametrize("foreign", [None, 7, "", "nowhere.Backend", [DJANGOS], {DJANGOS: OURS}])
def test_any_value_is_left_as_it_is(settings, foreign):
    settings.AUTHENTICATION_BACKENDS = [OURS]
    data = {BACKEND_SESSION_KEY: foreign}
    follow_backend(data)
    assert data == {BACKEND_SESSION_KEY: foreign}
