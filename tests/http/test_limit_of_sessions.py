"""A limit on a user's sessions, over whole requests."""

from __future__ import annotations

import pytest
from django.contrib import auth
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from sessionkeeper.engine import registry
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def put(request):
    request.session["a"] = 1
    return HttpResponse()


def me(request):
    return HttpResponse(str(request.user.pk))


urlpatterns = [
    path("sign_in/", sign_in),
    path("put/", put),
    path("me/", me),
    path("api/", include("sessionkeeper.api.urls")),
]


def signed_in(user):
    """A browser in which the user has signed in."""
    client = Client()
    client.get("/sign_in/", {"pk": str(user.pk)})
    return client


def test_the_oldest_session_ends_for_the_new_one_and_is_recorded(settings, make_user):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 2}
    user = make_user()
    browsers = [signed_in(user) for _ in range(3)]
    assert [browser.get("/me/").text for browser in browsers] == ["None", str(user.pk), str(user.pk)]
    event = AuditEvent.objects.get(kind="revoked")
    assert (event.user_id, event.reason) == (user.pk, "limit")


@pytest.mark.rule("R19")
@pytest.mark.parametrize("visited", [False, True])
def test_a_sign_in_beyond_the_limit_is_refused(settings, make_user, visited):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1, "MAX_SESSIONS_ACTION": "refuse"}
    user = make_user()
    first, second = signed_in(user), Client()
    if visited:
        second.get("/put/")
    response = second.get("/sign_in/", {"pk": str(user.pk)}, headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (409, "too_many_sessions")
    assert second.get("/me/").text == "None"
    assert first.get("/me/").text == str(user.pk)
    assert len(registry.list_for(user)) == 1
    assert contents.count() == 1


def test_signing_in_again_in_the_same_browser_is_no_further_session(settings, make_user):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1, "MAX_SESSIONS_ACTION": "refuse"}
    user = make_user()
    browser = signed_in(user)
    assert browser.get("/sign_in/", {"pk": str(user.pk)}).status_code == 200
    assert browser.get("/me/").text == str(user.pk)


def test_the_api_says_so_and_counts_tokens_apart(settings, make_user):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1, "MAX_SESSIONS_ACTION": "refuse"}
    user = make_user()
    credentials = {"username": user.get_username(), "password": PASSWORD}
    statuses = [
        Client().post(f"/api/{name}/", credentials, content_type="application/json").status_code
        for name in ("login", "tokens", "login", "tokens")
    ]
    assert statuses == [200, 201, 409, 409]
    assert len(registry.list_for(user)) == 2
