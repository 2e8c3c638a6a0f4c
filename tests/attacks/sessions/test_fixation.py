"""Fixation: the attacker plants a key in the victim's browser and waits for the victim to sign in."""

from __future__ import annotations

import pytest
from django.urls import reverse

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import Api

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]


def keys_of_the_attacker():
    """A key that works (of an anonymous session), one that never did, and one of stock sessions."""
    visitor = Api()
    visitor.get("/remembered/")
    return {"a live one": visitor.key, "one made up": keys.mint().text, "a stock one": "a" * 32}


def by_the_api(victim, user):
    assert victim.log_in(user).status_code == 200


def by_djangos_form(victim, user):
    victim.handler.enforce_csrf_checks = False
    form = {"username": user.get_username(), "password": PASSWORD}
    assert victim.post(reverse("login"), form).status_code == 302


def by_the_admin(victim, user):
    victim.handler.enforce_csrf_checks = False
    user.is_staff = True
    user.save()
    form = {"username": user.get_username(), "password": PASSWORD, "next": "/admin/"}
    assert victim.post("/admin/login/", form).status_code == 302


@pytest.mark.rule("R03")
@pytest.mark.rule("R04")
@pytest.mark.parametrize("door", [by_the_api, by_djangos_form, by_the_admin])
@pytest.mark.parametrize("planted", ["a live one", "one made up", "a stock one"])
def test_a_planted_key_is_worth_nothing_after_the_victim_signed_in(alice, door, planted):
    key = keys_of_the_attacker()[planted]
    victim = Api()
    victim.key = key
    door(victim, alice)
    assert victim.key != key
    attacker = Api()
    attacker.key = key
    assert attacker.whoami().status_code == 401
    assert victim.whoami().json()["user"]["username"] == alice.get_username()


@pytest.mark.rule("R03")
@pytest.mark.parametrize("name", ["sessionid", "session_key", "sid", "PHPSESSID"])
def test_a_key_in_a_link_is_not_taken(alice, name):
    key = keys_of_the_attacker()["a live one"]
    victim = Api()
    victim.get(f"/remembered/?{name}={key}")
    assert victim.key != key
    assert victim.log_in(alice).status_code == 200
    assert SessionStore(key).load().get("_auth_user_id") is None


@pytest.mark.rule("R44")
def test_made_up_keys_fill_no_table():
    before = contents.count()
    for _ in range(20):
        client = Api()
        client.key = keys.mint().text
        assert client.whoami().status_code == 401
        assert client.log_out().status_code == 204
    assert contents.count() == before


@pytest.mark.rule("R45")
def test_what_the_attacker_stored_for_one_user_is_not_handed_to_another(alice, make_user):
    """The attacker signs in as himself in the victim's browser and leaves something behind."""
    mallory, browser = make_user(), Api()
    assert browser.log_in(mallory).status_code == 200
    browser.get("/remembered/")
    assert browser.log_in(alice).status_code == 200
    assert browser.get("/remember/").json() == {"remembered": None}
