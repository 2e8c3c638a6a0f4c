"""What a request may cost with a near cache: who it is, nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db.models import F
from django.test import RequestFactory

from sessionkeeper.middleware.session import AuthenticationMiddleware, SessionMiddleware
from sessionkeeper.models import Session
from sessionkeeper.stores import factory
from sessionkeeper.stores.database.store import DatabaseStore
from tests.budgets.test_budgets import me_async, urlpatterns, visitor  # noqa: F401 - a fixture, and the site's URLs
from tests.stores import near

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.budgets.test_budgets"),
]


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A near cache in front of the database."""
    made = near(DatabaseStore())
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@pytest.fixture
def signed_in(visitor, make_user):  # noqa: F811
    """A browser that is signed in and was seen once."""
    visitor.user = make_user()
    visitor.sign_in(visitor.user)
    visitor.get("me")
    return visitor


def test_an_authenticated_page_costs_nothing(signed_in):
    response = signed_in.get("me")
    assert response.content.decode() == str(signed_in.user.pk)
    assert signed_in.statements == []
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_a_page_with_session_data_costs_one_statement_and_a_write_what_it_did(signed_in):
    signed_in.get("write", key="a")
    assert signed_in.kinds == ["SELECT", "UPDATE"]
    signed_in.get("me")
    assert signed_in.kinds == ["SELECT"]
    signed_in.get("me")
    assert signed_in.kinds == []


def test_a_touch_is_one_statement_once_per_interval(signed_in, store):
    Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(days=1))
    store.entries.reset()
    signed_in.get("me")
    assert signed_in.kinds == ["SELECT", "UPDATE"]
    signed_in.get("me")
    assert signed_in.kinds == ["SELECT"]
    signed_in.get("me")
    assert signed_in.kinds == []


def test_signing_in_and_out_writes_the_session_as_often_as_without(signed_in):
    assert signed_in.get("logout").status_code == 200
    assert signed_in.writes == ["DELETE"]
    signed_in.sign_in(signed_in.user)
    assert signed_in.writes == ["INSERT"]


def test_a_hit_needs_no_thread(signed_in, monkeypatch):
    async def view(request):
        return await me_async(request)

    def refuse(*args, **kwargs):
        raise AssertionError("a thread was taken")

    site = SessionMiddleware(AuthenticationMiddleware(view))
    request = RequestFactory().get("/")
    request.COOKIES = {name: morsel.value for name, morsel in signed_in.client.cookies.items()}
    request.resolver_match = None
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", refuse)
    response = async_to_sync(site)(request)
    assert response.content.decode() == str(signed_in.user.pk)
