"""What holds for a session whichever way its key travels: each test runs with a cookie and with a token."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.middleware.session import PASSIVE_HEADER
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, TRANSPORTS, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

NEW = "a-much-longer-horse-than-before"


def row(client):
    """The stored session of a client."""
    return contents.record(keys.parse(client.key).id)


def move(client, **times):
    """Move times of a client's session back by this much."""
    for name, by in times.items():
        contents.set_back(name, session_id=row(client).id, seconds=by.total_seconds())


def is_out(client):
    """Whether the client is refused, with the challenge of its transport."""
    response = client.whoami()
    code = "not_authenticated" if client.transport == "cookie" else "token_invalid"
    problem(response, 401, code)
    assert 'Session realm="api"' in response["WWW-Authenticate"]
    assert 'Bearer realm="api"' in response["WWW-Authenticate"]
    assert ('error="invalid_token"' in response["WWW-Authenticate"]) is (client.transport == "bearer")
    return True


# session/, logout/


@pytest.mark.any_user
def test_session_says_who_it_is_and_how_the_key_travels(either, alice, transport):
    body = either.whoami().json()
    assert body["user"]["username"] == alice.get_username()
    assert body["session"]["id"] == keys.encode_id(row(either).id)
    assert (body["session"]["current"], body["session"]["transport"]) == (True, transport)
    assert body["session"]["amr"] == ["pwd"]


@pytest.mark.any_user
def test_an_authenticated_request_costs_one_statement(either):
    for path in (AUTH + "session/", "/who/", "/notes/both/"):
        with CaptureQueriesContext(connection) as context:
            assert either.get(path).status_code == 200
        assert [query["sql"].split()[0] for query in context] == ["SELECT"]


def test_a_page_that_asks_for_nothing_costs_nothing(either):
    with CaptureQueriesContext(connection) as context:
        response = either.get("/nothing/")
    assert len(context) == 0
    assert not response.has_header("Vary")


def test_logout_ends_the_session_on_the_server_and_no_other(either, sign_in, alice):
    other, key = sign_in(alice), either.key
    response = either.log_out()
    assert (response.status_code, response.content) == (204, b"")
    either.key = key
    assert is_out(either)
    assert other.whoami().status_code == 200
    assert either.log_out().status_code == 204
    assert [record.id for record in registry.list_for(alice)] == [row(other).id]


def test_answers_vary_by_the_transport_and_are_kept_nowhere(either, transport):
    name = {"cookie": "Cookie", "bearer": "Authorization"}[transport]
    for path in (AUTH + "session/", "/who/"):
        response = either.get(path)
        assert name in response["Vary"]
        assert "no-store" in response["Cache-Control"]


def test_a_token_brings_no_cookie_and_none_is_asked_for(either, transport):
    for response in (either.whoami(), either.get("/who/"), either.get("/remembered/"), either.log_out()):
        assert bool(response.cookies) is (transport == "cookie" and response.status_code == 204)


def test_what_a_view_stores_is_kept(either):
    either.get("/remembered/")
    assert contents.data(keys.parse(either.key).id)["basket"] == 1


# Times


@pytest.mark.rule("R13")
@pytest.mark.parametrize("times", [{"last_seen_at": timedelta(days=15)}, {"expires_at": timedelta(days=31)}])
def test_a_session_ends_by_its_idle_and_by_its_absolute_timeout(either, times):
    move(either, **times)
    assert is_out(either)


@pytest.mark.rule("R14")
def test_a_preset_holds(sign_in, alice, settings):
    settings.SESSIONKEEPER = {"TIMEOUT_PRESET": "aal3"}
    client = sign_in(alice)
    session = row(client)
    assert session.idle_seconds == 15 * 60
    assert session.expires_at - session.created_at == timedelta(hours=12)
    move(client, last_seen_at=timedelta(minutes=15))
    assert is_out(client)


def test_a_request_keeps_the_session_alive_unless_it_is_passive(either):
    move(either, last_seen_at=timedelta(days=1))
    before = row(either).last_seen_at
    either.get(AUTH + "session/", headers={PASSIVE_HEADER: "1"})
    assert row(either).last_seen_at == before
    either.whoami()
    assert timezone.now() - row(either).last_seen_at < timedelta(minutes=1)


# Revocation


@pytest.mark.parametrize("other_transport", TRANSPORTS)
def test_a_session_is_listed_and_ended_from_another_one(either, alice, other_transport):
    other = TRANSPORTS[other_transport]()
    other.log_in(alice)
    listed = other.get(AUTH + "sessions/").json()["results"]
    assert [entry["transport"] for entry in listed] == [other_transport, either.transport]
    session_id = keys.encode_id(row(either).id)
    assert other.send(f"{AUTH}sessions/{session_id}/", method="delete").status_code == 204
    assert is_out(either)
    assert other.whoami().status_code == 200


@pytest.mark.parametrize("other_transport", TRANSPORTS)
def test_revoking_the_others_spares_this_one(either, alice, other_transport):
    other = TRANSPORTS[other_transport]()
    other.log_in(alice)
    response = either.send(AUTH + "sessions/revoke-others/")
    assert response.json() == {"revoked": 1}
    assert is_out(other)
    assert either.whoami().status_code == 200


def test_revoking_all_ends_this_one_too(either, sign_in, alice):
    other = sign_in(alice)
    assert either.send(AUTH + "sessions/revoke-all/").json() == {"revoked": 2}
    assert either.whoami().status_code == 401
    assert is_out(other)


def test_what_is_revoked_on_the_server_is_refused_at_the_next_request(either, alice):
    registry.revoke_all(alice)
    assert is_out(either)


# The user changes


@pytest.mark.rule("R15")
def test_a_disabled_user_is_out_and_stays_out_when_enabled_again(either, alice):
    alice.is_active = False
    alice.save()
    assert is_out(either)
    alice.is_active = True
    alice.save()
    assert either.whoami().status_code == 401


def test_a_user_disabled_behind_our_back_is_out_too(either, alice):
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    assert is_out(either)
    assert not contents.records()


def test_a_deleted_user_is_out(either, alice):
    alice.delete()
    assert is_out(either)


@pytest.mark.rule("R16")
@pytest.mark.parametrize("other_transport", TRANSPORTS)
def test_changing_the_password_ends_all_other_sessions(either, alice, other_transport):
    other = TRANSPORTS[other_transport]()
    other.log_in(alice)
    before = either.key
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert either.send(AUTH + "password/change/", body).status_code == 204
    assert is_out(other)
    assert either.whoami().status_code == 200
    assert (either.key == before) is (either.transport == "bearer")


def test_a_password_set_by_other_code_ends_the_session(either, alice):
    alice.set_password(NEW)
    alice.save()
    assert is_out(either)


@pytest.mark.rule("R30")
def test_step_up_is_asked_and_answered(either):
    move(either, authenticated_at=timedelta(hours=1))
    problem(either.send(AUTH + "sessions/revoke-others/"), 403, "reauthentication_required")
    problem(either.send(AUTH + "reauthenticate/", {"password": "wrong"}), 401, "invalid_credentials")
    assert either.send(AUTH + "reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert either.send(AUTH + "sessions/revoke-others/").status_code == 200
    assert either.whoami().status_code == 200


# Outages


@pytest.mark.rule("R20")
@pytest.mark.parametrize(
    ("operation", "path", "method"),
    [("find", "session/", "get"), ("revoke", "logout/", "post"), ("list_for", "sessions/", "get")],
)
def test_an_outage_is_a_503_and_signs_nobody_out(either, monkeypatch, operation, path, method):
    def fail(*args, **kwargs):
        raise StoreUnavailable

    key = either.key
    with monkeypatch.context() as patch:
        patch.setattr(type(get_store()), operation, fail)
        send = either.get if method == "get" else either.send
        response = send(AUTH + path)
    problem(response, 503, "store_unavailable")
    assert response["Retry-After"]
    assert not response.cookies
    assert either.key == key
    assert either.whoami().status_code == 200


def test_an_outage_while_a_view_writes_is_a_503(either, monkeypatch):
    def fail(*args, **kwargs):
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(get_store()), "merge", fail)
        problem(either.get("/remembered/"), 503, "store_unavailable")
    assert either.whoami().status_code == 200


# Keys that are none


TYPED = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='";\\')


@pytest.mark.rule("R05")
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='";\\'), max_size=60)
)
def test_any_text_as_a_key_is_refused_and_asks_nobody(transport, db, text):
    client = TRANSPORTS[transport]()
    if transport == "cookie":
        client.cookies["sessionid"] = text
    else:
        client.bearer = f"sess_{text}"
    with CaptureQueriesContext(connection) as context:
        for path in (AUTH + "session/", "/notes/both/"):
            assert client.get(path).status_code == 401
        assert client.get("/who/").json() == {"user": ""}
    assert len(context) == 0


def test_a_key_with_another_secret_is_refused_and_the_session_lives_on(either):
    own = keys.parse(either.key)
    thief = type(either)()
    thief.key = keys.rotate(own).text
    assert is_out(thief)
    assert either.whoami().status_code == 200


@pytest.mark.rule("R03")
def test_a_key_of_no_session_is_refused_and_makes_none(transport, db):
    client = TRANSPORTS[transport]()
    client.key = keys.mint().text
    assert is_out(client)
    assert not contents.records()


@pytest.mark.rule("R06")
def test_nothing_in_the_store_signs_anybody_in(either):
    session, thief = row(either), type(either)()
    for value in (session.secret_hash, session.family_hash):
        text = keys.encode_id(session.id) + bytes(value).hex()[:29]
        thief.key = text
        assert is_out(thief)
