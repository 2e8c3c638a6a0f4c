"""A token is made aside: the session of the request stays as it is."""

from __future__ import annotations

import logging

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, TokenApi, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

TOKENS = AUTH + "tokens/"


@pytest.fixture
def program(db):
    """What is not a browser, without a token yet."""
    return TokenApi()


def ask(client, user, password=PASSWORD, headers=None, **fields):
    """Ask for a token, with nothing but JSON."""
    body = {"username": user.get_username(), "password": password, **fields}
    return client.post(TOKENS, body, content_type="application/json", headers=headers)


@pytest.mark.rule("R40")
def test_the_store_does_not_hold_the_token(program, alice):
    token = ask(program, alice).json()["token"]
    dump = contents.dump()
    assert token not in dump
    assert keys.parse_bearer(token).secret[: keys.ROTATING_LENGTH] not in dump


def test_the_token_is_in_no_log_and_no_other_answer(program, alice, caplog):
    caplog.set_level(logging.DEBUG)
    token = ask(program, alice).json()["token"]
    program.bearer = token
    answers = [program.whoami(), program.get(AUTH + "sessions/"), program.get("/nowhere/")]
    program.bearer = token[:-1]
    answers.append(program.whoami())
    secret = keys.parse_bearer(token).secret
    assert secret not in caplog.text
    assert not any(secret in answer.content.decode() for answer in answers)


def test_a_session_in_a_cookie_is_neither_read_nor_changed(signed_in, alice):
    key = signed_in.key
    with CaptureQueriesContext(connection) as context:
        response = ask(signed_in, alice)
    assert response.status_code == 201
    assert not response.cookies
    assert signed_in.key == key
    if not contents.is_in_valkey():
        own = [query["sql"] for query in context if "sessionkeeper_session" in query["sql"]]
        # The lock of SQLite, how many tokens there are, the new one.
        assert [sql.split()[0] for sql in own if "UPDATE" not in sql] == ["SELECT", "INSERT"]
        assert f"{keys.parse(key).id}" not in "".join(own)
    assert signed_in.whoami().json()["session"]["transport"] == "cookie"


@override_settings(CSRF_USE_SESSIONS=True)
def test_no_cookie_is_set_where_the_csrf_token_is_in_the_session(program, alice):
    response = ask(program, alice)
    assert response.status_code == 201
    assert not response.cookies
    assert contents.count() == 1


def test_a_token_that_was_not_stored_is_no_201(program, alice, monkeypatch):
    def fail(*args):
        raise StoreUnavailable

    monkeypatch.setattr(type(get_store()), "insert", fail)
    problem(ask(program, alice), 503, "store_unavailable")


@pytest.fixture
def token(alice):
    """A token of alice."""
    client = TokenApi()
    client.log_in(alice)
    return client.bearer
