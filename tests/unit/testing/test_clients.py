"""Clients that are signed in work as those that signed in themselves."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper import sessions, testing
from sessionkeeper.core import keys
from sessionkeeper.models import AuditEvent
from sessionkeeper.testing import clients
from tests import contents

pytestmark = pytest.mark.urls("tests.http.api_site")

SESSION = "/api/auth/session/"
TRANSPORTS = pytest.mark.parametrize("transport", ["cookie", "bearer"])


@TRANSPORTS
def test_a_client_is_signed_in(alice, transport):
    client = testing.sign_in(alice, transport=transport, label="kitchen")
    answer = client.get(SESSION)
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == contents.codec.json_key(alice.pk)
    record = contents.record()
    assert keys.encode_id(record.id) == client.session_id
    assert (record.transport, record.label, record.amr) == (transport, "kitchen", "pwd")
    assert (record.ip_address, record.user_agent) == ("127.0.0.1", clients.BROWSER)


@TRANSPORTS
def test_a_second_device_has_a_session_of_its_own(alice, transport):
    first = testing.sign_in(alice, transport=transport)
    second = testing.second_device(first)
    assert (second.user, second.transport) == (alice, transport)
    assert {keys.encode_id(one.id) for one in sessions.list_for(alice)} == {
        first.session_id,
        second.session_id,
    }
    assert len({one.user_agent for one in sessions.list_for(alice)}) == 2
    sessions.revoke(first.session_id)
    assert first.get(SESSION).status_code == 401
    assert second.get(SESSION).status_code == 200


def test_the_second_device_may_have_the_other_transport(alice):
    assert testing.second_device(testing.sign_in(alice), transport="bearer").transport == "bearer"


def test_a_sign_in_is_in_the_audit_trail(alice):
    client = testing.sign_in(alice, amr="pwd otp")
    event = AuditEvent.objects.get(kind="sign_in")
    assert (event.user_id, keys.encode_id(event.session_id)) == (alice.pk, client.session_id)


def test_the_options_of_djangos_client_are_taken(alice):
    client = testing.sign_in(alice, enforce_csrf_checks=True, headers={"Accept-Language": "de"})
    assert client.post("/api/auth/logout/").status_code == 403
    assert client.defaults["HTTP_ACCEPT_LANGUAGE"] == "de"


def test_a_token_with_scopes_is_restricted_to_them(alice):
    client = testing.sign_in(alice, transport="bearer", scopes=["read"])
    assert contents.data()["_sessionkeeper_scopes"] == ["read"]
    testing.assert_signed_in(client, alice)


@pytest.mark.parametrize("options", [{"transport": "pigeon"}, {"scopes": ["read"]}])
def test_what_no_sign_in_has_is_refused(alice, options):
    with pytest.raises(ValueError, match=r"transport|scopes"):
        testing.sign_in(alice, **options)
    assert contents.count() == 0


def test_a_client_that_signed_in_itself_has_a_session_too(signed_in):
    assert clients.session_number(signed_in) == contents.record().id


@pytest.mark.parametrize("nobody", [Client(), "no id"], ids=["client", "text"])
def test_without_a_session_there_is_no_number(nobody):
    with pytest.raises(ValueError, match="There is no session"):
        clients.session_number(nobody)
