"""A locked account, and an outage."""

from __future__ import annotations

import pytest

from sessionkeeper import conf, flows, testing
from sessionkeeper.errors import StoreUnavailable
from sessionkeeper.models import Session
from sessionkeeper.stores import get_breaker

pytestmark = pytest.mark.urls("tests.http.api_site")

SESSION = "/api/auth/session/"


def test_a_locked_account_does_not_sign_in_until_it_is_unlocked(api, alice):
    seconds = testing.lock_account(alice)
    answer = api.log_in(alice)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= seconds
    flows.unlock(alice.get_username(), reason="test")
    assert api.log_in(alice).status_code == 200


def test_a_locked_account_keeps_its_sessions(alice):
    client = testing.sign_in(alice)
    testing.lock_account(alice)
    assert client.get(SESSION).status_code == 200


def test_another_account_is_not_locked(api, alice, make_user):
    testing.lock_account(alice)
    assert api.log_in(make_user()).status_code == 200


def test_without_a_lockout_no_account_is_locked(alice, settings):
    settings.SESSIONKEEPER = {"LOCKOUT": False}
    assert not conf.current().lockout
    with pytest.raises(ValueError, match="LOCKOUT is off"):
        testing.lock_account(alice)


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_an_outage_is_a_503_and_signs_nobody_out(alice, transport):
    client = testing.sign_in(alice, transport=transport)
    with testing.store_outage():
        answer = client.get(SESSION)
        assert answer.status_code == 503
        assert not answer.cookies
        with pytest.raises(StoreUnavailable):
            testing.assert_signed_in(client)
        with pytest.raises(StoreUnavailable):
            testing.assert_session_ended(client)
    assert client.get(SESSION).status_code == 200
    testing.assert_signed_in(client, alice)


def test_an_outage_ends_with_its_block_whatever_happens_in_it(alice):
    client = testing.sign_in(alice)
    with pytest.raises(ZeroDivisionError), testing.store_outage():
        1 / 0  # noqa: B018
    testing.assert_signed_in(client)
    assert not get_breaker().is_open


@pytest.mark.database_store_only("the sessions are in a table")
def test_the_database_itself_answers_during_an_outage(alice):
    with testing.store_outage():
        assert Session.objects.count() == 0
