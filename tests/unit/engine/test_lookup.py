"""Several cookies of the session's name in one request, as another host of the domain can bring about."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.models import AuditEvent
from tests import contents

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def me(request):
    return HttpResponse(str(request.user.pk))


async def me_async(request):
    return HttpResponse(str((await request.auser()).pk))


urlpatterns = [path("sign_in/", sign_in), path("me/", me), path("me_async/", me_async)]


def signed_in(user):
    """The key of a session of this user."""
    client = Client()
    client.get("/sign_in/", {"pk": str(user.pk)})
    return client.cookies["sessionid"].value


def ask(*values, kind="sync"):
    """Send one request with these cookies of one name."""
    # Django's asynchronous test client puts a comma after the last cookie.
    header = "; ".join([*(f"sessionid={value}" for value in values), "last=1"])
    if kind == "sync":
        return Client().get("/me/", headers={"Cookie": header})
    return async_to_sync(AsyncClient().get)("/me_async/", headers={"Cookie": header})


@pytest.mark.rule("R22")
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("other", [keys.mint().text, "planted", "", '"x"'])
def test_of_several_cookies_the_only_one_that_opens_a_session_counts(make_user, other, kind):
    user = make_user()
    key = signed_in(user)
    for values in ((key, other), (other, key), (other, key, "x")):
        response = ask(*values, kind=kind)
        assert (response.text, "sessionid" in response.cookies) == (str(user.pk), False)
    assert AuditEvent.objects.filter(kind="several_cookies", user_id=user.pk).count() == 1


@pytest.mark.rule("R22")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_of_several_that_open_sessions_none_counts_and_none_ends(make_user, kind):
    mine, planted = signed_in(make_user()), signed_in(make_user())
    response = ask(mine, planted, kind=kind)
    assert (response.text, "sessionid" in response.cookies) == ("None", False)
    assert contents.count() == 2
    assert AuditEvent.objects.filter(kind="several_cookies").count() == 2


def test_the_same_cookie_twice_is_one(make_user):
    user = make_user()
    key = signed_in(user)
    with CaptureQueriesContext(connection) as queries:
        assert ask(key, key).text == str(user.pk)
    assert len(queries) == 1
    assert not AuditEvent.objects.filter(kind="several_cookies").exists()


def test_many_cookies_cost_a_bounded_number_of_reads():
    with CaptureQueriesContext(connection) as queries:
        assert ask(*(keys.mint().text for _ in range(50))).text == "None"
    assert len(queries) <= 4
