"""The assertions hold where the site agrees, and fail where it does not."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper import sessions, testing
from tests import contents

pytestmark = pytest.mark.urls("tests.http.api_site")


@pytest.fixture(params=["cookie", "bearer"])
def client(request, alice):
    """A client that is signed in."""
    return testing.sign_in(alice, transport=request.param)


def test_who_is_signed_in(client, alice, make_user):
    testing.assert_signed_in(client)
    testing.assert_signed_in(client, alice)
    with pytest.raises(AssertionError, match="is signed in, not"):
        testing.assert_signed_in(client, make_user())
    with pytest.raises(AssertionError, match="is live"):
        testing.assert_session_ended(client)


def test_who_is_signed_out(client):
    sessions.revoke(client.session_id, reason="code")
    testing.assert_session_ended(client)
    testing.assert_session_ended(client.session_id, "code")
    with pytest.raises(AssertionError, match="'code', not 'user'"):
        testing.assert_session_ended(client, "user")
    with pytest.raises(AssertionError, match="Nobody is signed in"):
        testing.assert_signed_in(client)


def test_a_client_that_signed_out_has_lost_its_cookie_and_its_session(alice):
    client = testing.sign_in(alice)
    assert client.post("/api/auth/logout/").status_code == 204
    testing.assert_session_ended(client)


def test_a_session_that_has_expired_is_an_ended_one(client):
    testing.travel_past_absolute_timeout(client)
    testing.assert_session_ended(client)


def test_a_disabled_user_is_not_signed_in(client, alice):
    alice.is_active = False
    alice.save()
    with pytest.raises(AssertionError, match="Nobody is signed in"):
        testing.assert_signed_in(client)


def test_a_visitor_is_not_signed_in(db):
    with pytest.raises(AssertionError, match="Nobody is signed in"):
        testing.assert_signed_in(Client())


def test_a_client_that_signed_in_itself_is_signed_in(signed_in, alice):
    testing.assert_signed_in(signed_in, alice)


def test_a_session_that_never_was_did_not_end(db):
    with pytest.raises(ValueError, match="There is no session"):
        testing.assert_session_ended(Client())


def test_looking_does_not_use_the_session(client):
    contents.set_back("last_seen_at", minutes=20)
    before = contents.record().last_seen_at
    testing.assert_signed_in(client)
    assert contents.record().last_seen_at == before


def test_a_client_with_cookie_and_token_is_told_that_the_site_refuses_both(alice):
    client = testing.sign_in(alice, transport="bearer")
    client.cookies = testing.sign_in(alice).cookies
    with pytest.raises(AssertionError, match="both a cookie and a token"):
        testing.assert_signed_in(client)
