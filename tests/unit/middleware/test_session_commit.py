"""A refresh that a page does by itself does not keep the session alive."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from sessionkeeper.engine import registry
from tests import contents
from tests.http.api_site import PASSIVE

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


@pytest.fixture
def old_session(signed_in, alice):
    """The id of a session that was last used ten minutes ago."""
    session_id = registry.list_for(alice)[0].id
    contents.set_back("last_seen_at", session_id=session_id, minutes=10)
    return session_id


def last_seen(session_id):
    return contents.record(session_id).last_seen_at


def test_a_request_keeps_the_session_alive(signed_in, old_session):
    before = last_seen(old_session)
    assert signed_in.get("/who/").json()["user"]
    assert last_seen(old_session) > before


@pytest.mark.parametrize("name", PASSIVE)
def test_a_passive_view_does_not(signed_in, old_session, name):
    before = last_seen(old_session)
    response = signed_in.get(f"/passive/{name}/")
    assert response.status_code == 200
    assert response.json()["user"]
    assert last_seen(old_session) == before


@pytest.mark.parametrize("path", ["/who/", "/notes/", "/api/auth/session/"])
def test_a_request_with_the_header_does_not(signed_in, old_session, path):
    before = last_seen(old_session)
    assert signed_in.get(path, headers={"X-Session-Passive": "1"}).status_code == 200
    assert last_seen(old_session) == before


def test_marking_a_view_does_not_mark_the_function_itself(signed_in, old_session):
    before = last_seen(old_session)
    signed_in.get("/passive/function/")
    assert last_seen(old_session) == before
    signed_in.get("/who/")
    assert last_seen(old_session) > before


def test_a_passive_view_is_passive_in_the_event_loop(alice, old_session, signed_in):
    before = last_seen(old_session)

    @async_to_sync
    async def ask(path):
        client = AsyncClient()
        client.cookies.update(signed_in.cookies)
        return (await client.get(path)).json()["user"]

    assert ask("/passive/async/")
    assert last_seen(old_session) == before
    assert ask("/who/")
    assert last_seen(old_session) > before
