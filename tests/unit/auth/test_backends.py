"""The backends that count guesses."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.http import HttpResponse
from django.test import AsyncClient, Client

from sessionkeeper.auth import lockout
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import TRIES, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


def sign_in(request):
    """A view as people write it."""
    name = auth.get_user_model().USERNAME_FIELD
    user = auth.authenticate(request, **{name: request.POST["username"]}, password=request.POST["password"])
    if user is None:
        return HttpResponse("no", status=403)
    auth.login(request, user)
    return HttpResponse("yes")


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


def test_where_our_middleware_is_not_there_authenticate_returns_none(make_user):
    user = make_user()
    for _ in range(TRIES):
        assert not Client().login(username=user.get_username(), password="wrong")
    assert not Client().login(username=user.get_username(), password=PASSWORD)


def test_what_has_no_password_is_no_guess():
    assert lockout.begin(None, {"remote_user": "alice"}) is None
    assert lockout.under_way.get() is None


def test_a_session_says_that_our_backend_took_a_password(make_user):
    """Never more than was proved: a user object that no backend has returned says nothing."""
    user = make_user()
    Client().post("/view/", {"username": user.get_username(), "password": PASSWORD})
    assert contents.record().amr == "pwd"
    assert AuditEvent.objects.get(kind="sign_in").detail["amr"] == "pwd"


@pytest.mark.django_db(transaction=True)
def test_so_does_one_that_began_in_an_async_view(make_user):
    user = make_user()
    form = {"username": user.get_username(), "password": PASSWORD}
    async_to_sync(AsyncClient().post)("/async/", form)
    assert contents.record().amr == "pwd"
