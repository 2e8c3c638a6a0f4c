"""A session gets older without waiting, and the product itself says what that means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessionkeeper import sessions, testing
from sessionkeeper.errors import SessionGone
from tests import contents

pytestmark = pytest.mark.urls("tests.http.api_site")

SESSION, OTHERS = "/api/auth/session/", "/api/auth/sessions/"
TRANSPORTS = pytest.mark.parametrize("transport", ["cookie", "bearer"])


@pytest.fixture(params=["cookie", "bearer"])
def client(request, alice, settings):
    """A client that is signed in, on a site with an idle timeout."""
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": timedelta(hours=1)}
    return testing.sign_in(alice, transport=request.param)


def test_time_passes_for_one_session(client):
    other = testing.second_device(client)
    before = contents.record(testing.clients.session_number(client))
    testing.travel(client, timedelta(minutes=50))
    after = contents.record(before.id)
    for name in ("created_at", "authenticated_at", "last_seen_at", "expires_at"):
        assert getattr(before, name) - getattr(after, name) == timedelta(minutes=50), name
    assert client.get(SESSION).status_code == 200
    assert other.get(SESSION).status_code == 200


def test_the_idle_timeout_passes(client):
    testing.travel_past_idle_timeout(client)
    assert client.get(SESSION).status_code == 401


def test_just_before_the_idle_timeout_the_session_lives(client):
    testing.travel(client, timedelta(minutes=59))
    assert client.get(SESSION).status_code == 200


def test_the_absolute_timeout_ends_a_session_in_use(client):
    testing.travel_past_absolute_timeout(client)
    record = contents.record()
    assert record.expires_at - record.last_seen_at < timedelta(seconds=1) * 60
    assert client.get(SESSION).status_code == 401


def test_without_an_idle_timeout_nothing_can_pass(alice, settings):
    settings.SESSIONKEEPER = {"TIMEOUT_PRESET": "aal1"}
    with pytest.raises(ValueError, match="no idle timeout"):
        testing.travel_past_idle_timeout(testing.sign_in(alice))


def test_a_stale_proof_asks_for_another_one_and_a_fresh_one_does_not(client):
    other = testing.second_device(client)
    testing.stale_proof(client)
    refused = client.delete(f"{OTHERS}{other.session_id}/")
    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    testing.fresh_proof(client)
    assert client.delete(f"{OTHERS}{other.session_id}/").status_code == 204
    testing.assert_session_ended(other, "user")


def test_a_proof_gets_as_old_as_a_view_needs_it(client):
    testing.stale_proof(client, timedelta(days=2))
    record = contents.record()
    assert record.last_seen_at - record.authenticated_at >= timedelta(days=2)


def test_a_session_that_has_ended_gets_no_older(client):
    sessions.revoke(client.session_id)
    with pytest.raises(SessionGone):
        testing.travel(client, timedelta(hours=1))


@pytest.mark.database_store_only("the columns of a table have times as Django reads them")
def test_times_are_right_without_time_zones(alice, settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Kolkata"
    client = testing.sign_in(alice)
    before = contents.record()
    testing.travel(client, timedelta(minutes=10))
    assert before.expires_at - contents.record().expires_at == timedelta(minutes=10)
