"""Other people's sessions: the attacker knows an id, and tries to see or end what it names."""

from __future__ import annotations

import pytest

from sessionkeeper.core import keys
from tests.transports import problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]


@pytest.mark.rule("R46")
@pytest.mark.parametrize("method", ["delete", "get", "put", "patch", "post"])
def test_a_known_id_neither_shows_nor_ends_the_session_of_another(sign_in, alice, make_user, method):
    victim, attacker = sign_in(alice), sign_in(make_user())
    known = victim.whoami().json()["session"]["id"]
    path = f"/api/auth/sessions/{known}/"
    response = attacker.get(path) if method == "get" else attacker.send(path, method=method)
    if method == "delete":
        problem(response, 404, "not_found")
    else:
        assert response.status_code == 405
    assert victim.whoami().status_code == 200


@pytest.mark.rule("R46")
def test_an_id_of_another_looks_like_one_of_nobody(sign_in, alice, make_user):
    victim, attacker = sign_in(alice), sign_in(make_user())
    known = victim.whoami().json()["session"]["id"]
    answers = [
        attacker.send(f"/api/auth/sessions/{one}/", method="delete")
        for one in (known, keys.encode_id(keys.mint().id))
    ]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_the_list_holds_ones_own_sessions_only(sign_in, alice, make_user):
    victim, attacker = sign_in(alice), sign_in(make_user())
    own = {attacker.whoami().json()["session"]["id"]}
    assert {one["id"] for one in attacker.get("/api/auth/sessions/").json()["results"]} == own
    assert victim.whoami().status_code == 200


def test_an_id_alone_opens_nothing(either, transport):
    known = either.whoami().json()["session"]["id"]
    thief = type(either)()
    thief.key = known + "A" * 29
    assert thief.whoami().status_code == 401
    assert either.whoami().status_code == 200
