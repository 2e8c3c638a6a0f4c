"""What a request may cost, in statements."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.db import connection
from django.db.models import F
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from sessionkeeper.api.authentication import SessionAuthentication
from sessionkeeper.models import AuditEvent, Session
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def public(request):
    return HttpResponse("hello")


def me(request):
    return HttpResponse(str(request.user.pk))


async def me_async(request):
    return HttpResponse(str((await request.auser()).pk))


@api_view()
@authentication_classes([SessionAuthentication])
@permission_classes([IsAuthenticated])
def me_in_drf(request):
    return Response(str(request.user.pk))


def sign_in(request):
    name = auth.get_user_model().USERNAME_FIELD
    user = auth.authenticate(request, password=PASSWORD, **{name: request.GET["name"]})
    auth.login(request, user)
    return HttpResponse()


async def sign_in_async(request):
    name = auth.get_user_model().USERNAME_FIELD
    user = await auth.aauthenticate(request, password=PASSWORD, **{name: request.GET["name"]})
    await auth.alogin(request, user)
    return HttpResponse()


def sign_out(request):
    auth.logout(request)
    return HttpResponse()


async def sign_out_async(request):
    await auth.alogout(request)
    return HttpResponse()


def write(request):
    request.session[request.GET["key"]] = request.GET.get("value", "1")
    return HttpResponse()


async def write_async(request):
    await request.session.aset(request.GET["key"], request.GET.get("value", "1"))
    return HttpResponse()


urlpatterns = [
    path("sync/public/", public),
    path("async/public/", public),
    path("sync/me/", me),
    path("async/me/", me_async),
    path("sync/drf/", me_in_drf),
    path("sync/login/", sign_in),
    path("async/login/", sign_in_async),
    path("sync/logout/", sign_out),
    path("async/logout/", sign_out_async),
    path("sync/write/", write),
    path("async/write/", write_async),
]


class Visitor:
    """A browser that knows what its last request cost."""

    def __init__(self, kind):
        self.kind = kind
        self.client = {"sync": Client, "async": AsyncClient}[kind]()

    def get(self, page, **query):
        """Fetch a page; keep the statements."""
        fetch = self.client.get if self.kind == "sync" else async_to_sync(self.client.get)
        with CaptureQueriesContext(connection) as captured:
            response = fetch(f"/{self.kind}/{page}/", query)
        assert response.status_code == 200
        self.statements = [
            query["sql"]
            for query in captured
            if query["sql"].split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}
        ]
        return response

    @property
    def kinds(self):
        """The first words of all statements."""
        return [sql.split()[0] for sql in self.statements]

    @property
    def writes(self):
        """The first words of the statements that write sessions."""
        return self._writes_of(Session)

    @property
    def events(self):
        """The first words of the statements that write the audit trail."""
        return self._writes_of(AuditEvent)

    def _writes_of(self, model):
        table = f'"{model._meta.db_table}"'
        return [sql.split()[0] for sql in self.statements if table in sql and not sql.startswith("SELECT")]

    def sign_in(self, user):
        """Sign in by the login page."""
        return self.get("login", name=user.get_username())


@pytest.fixture(params=["sync", "async"])
def visitor(request):
    """A browser."""
    return Visitor(request.param)


@pytest.fixture
def signed_in(visitor, make_user):
    """A browser that is signed in, on a site whose statement is compiled."""
    visitor.user = make_user()
    visitor.sign_in(visitor.user)
    visitor.get("me")
    return visitor


def age(**duration):
    """Let all sessions grow older."""
    Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(**duration))


@pytest.mark.parametrize("page", ["public", "me"])
def test_a_visitor_without_a_session_costs_nothing(visitor, page):
    response = visitor.get(page)
    assert visitor.kinds == []
    assert not response.cookies


def test_a_broken_cookie_costs_nothing(visitor):
    visitor.client.cookies["sessionid"] = "nonsense"
    visitor.get("me")
    assert visitor.kinds == []


def test_a_page_that_does_not_ask_costs_nothing_although_the_visitor_is_signed_in(signed_in):
    response = signed_in.get("public")
    assert signed_in.kinds == []
    assert not response.cookies
    assert "Vary" not in response.headers


def test_an_authenticated_page_costs_one_statement_and_no_write(signed_in):
    response = signed_in.get("me")
    assert response.content.decode() == str(signed_in.user.pk)
    assert signed_in.kinds == ["SELECT"]
    assert not response.cookies


def test_an_authenticated_drf_view_costs_one_statement_and_no_write(make_user):
    visitor, user = Visitor("sync"), make_user()
    visitor.sign_in(user)
    visitor.get("drf")
    response = visitor.get("drf")
    assert response.json() == str(user.pk)
    assert visitor.kinds == ["SELECT"]
    assert not response.cookies


def test_a_touch_is_one_more_statement_once_per_interval_and_sets_no_cookie(signed_in):
    age(minutes=4)
    signed_in.get("me")
    assert signed_in.kinds == ["SELECT"]
    age(minutes=2)
    response = signed_in.get("me")
    assert signed_in.kinds == ["SELECT", "UPDATE"]
    assert not response.cookies
    signed_in.get("me")
    assert signed_in.kinds == ["SELECT"]


def test_a_fresh_login_writes_the_session_once(visitor, make_user):
    visitor.sign_in(make_user())
    assert visitor.writes == ["INSERT"]
    assert visitor.events == ["INSERT"]
    # the user, last_login, the session, the audit event
    assert visitor.kinds == ["SELECT", "UPDATE", "INSERT", "INSERT"]


def test_without_an_audit_table_a_login_costs_no_event(visitor, make_user, settings):
    settings.SESSIONKEEPER = {"AUDIT": False}
    visitor.sign_in(make_user())
    assert visitor.kinds == ["SELECT", "UPDATE", "INSERT"]


def test_a_login_with_an_anonymous_session_writes_it_twice_and_keeps_its_data(visitor, make_user):
    visitor.get("write", key="cart", value="7")
    before = Session.objects.get()
    visitor.sign_in(make_user())
    assert visitor.writes == ["UPDATE", "UPDATE"]
    after = Session.objects.get()
    assert (after.pk, after.data["cart"]) == (before.pk, "7")


def test_a_login_of_the_same_user_again_writes_the_session_twice(signed_in):
    signed_in.sign_in(signed_in.user)
    assert signed_in.writes == ["UPDATE", "UPDATE"]


def test_a_logout_is_one_write(signed_in):
    signed_in.get("logout")
    assert signed_in.writes == ["DELETE"]
    assert signed_in.events == ["INSERT"]
    assert signed_in.kinds == ["SELECT", "DELETE", "INSERT"]
    assert not Session.objects.exists()


def test_a_first_value_is_one_insert(visitor):
    visitor.get("write", key="a")
    assert visitor.kinds == ["INSERT"]


def test_a_changed_value_is_one_read_and_one_write(signed_in):
    response = signed_in.get("write", key="a")
    assert signed_in.kinds == ["SELECT", "UPDATE"]
    assert not response.cookies


def test_a_value_that_stays_the_same_is_not_written(signed_in):
    signed_in.get("write", key="a")
    signed_in.get("write", key="a")
    assert signed_in.kinds == ["SELECT"]


@pytest.mark.postgres
def test_a_merge_into_what_others_wrote_needs_no_read(make_user):
    client = Client()
    client.force_login(make_user())
    mine = client.session
    mine.load()
    theirs = client.session
    theirs["theirs"] = 1
    theirs.save()
    mine["mine"] = 1
    with CaptureQueriesContext(connection) as captured:
        mine.save()
    assert [query["sql"].split()[0] for query in captured] == ["UPDATE"]
    assert {"mine", "theirs"} <= set(Session.objects.get().data)
