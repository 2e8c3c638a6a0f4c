"""Session fixation, rotation, and what survives a login and what does not."""

from __future__ import annotations

import pytest
from django.conf import settings

from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from tests.transports import AUTH, Api, problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def who(key):
    """Ask with this key alone."""
    client = Api()
    client.key = key
    return client.get("/who/").json()["user"]


@pytest.mark.rule("R04")
def test_the_key_from_before_the_login_is_dead_after_it(api, alice):
    api.get("/remembered/")
    planted = api.key
    api.log_in(alice)
    assert api.key != planted
    assert who(planted) == ""
    assert who(api.key) == alice.get_username()


def test_what_a_visitor_collected_is_there_after_signing_in(api, alice):
    api.get("/remembered/")
    api.log_in(alice)
    assert SessionStore(api.key)["basket"] == 1


@pytest.mark.rule("R03")
@pytest.mark.parametrize("planted", ["x" * 40, "A" * 40, "../../etc/passwd", "é" * 40])
def test_a_key_that_an_attacker_made_up_is_never_taken(api, alice, planted):
    api.key = planted
    api.log_in(alice)
    assert api.key != planted
    assert who(planted) == ""


@pytest.mark.rule("R04")
def test_signing_in_again_changes_the_key_and_keeps_the_session(signed_in, alice):
    before, session_id = signed_in.key, signed_in.whoami().json()["session"]["id"]
    after = signed_in.log_in(alice).json()["session"]["id"]
    assert (signed_in.key != before, after) == (True, session_id)
    assert who(before) == ""
    assert len(registry.list_for(alice)) == 1


@pytest.mark.rule("R45")
def test_another_user_is_handed_nothing_over(signed_in, alice, make_user):
    bob = make_user()
    signed_in.get("/remembered/")
    before = signed_in.log_in(alice, label="alice's", remember=False).json()["session"]
    key = signed_in.key
    after = signed_in.log_in(bob).json()
    assert after["user"]["username"] == bob.get_username()
    assert after["session"]["id"] != before["id"]
    assert after["session"]["label"] == ""
    assert "basket" not in SessionStore(signed_in.key)
    assert signed_in.cookies["sessionid"]["max-age"]
    assert who(key) == ""
    assert registry.list_for(alice) == []


@pytest.mark.rule("R26")
def test_the_csrf_token_changes_at_login(api, alice):
    token = api.token()
    old = api.cookies["csrftoken"].value
    response = api.log_in(alice)
    assert response.cookies["csrftoken"].value != old
    response = api.post(AUTH + "logout/", headers={"X-CSRFToken": token})
    problem(response, 403, "csrf_token_incorrect")
    assert api.whoami().status_code == 200


def test_amr_is_not_kept_from_another_way_of_signing_in(signed_in, alice):
    signed_in.force_login(alice)
    assert signed_in.whoami().json()["session"]["amr"] == []


@pytest.mark.rule("R36")
def test_a_name_is_found_in_any_unicode_form(api, make_user):
    make_user(username="zoë")
    body = {"username": "zoe\u0308", "password": "correct horse battery staple"}
    assert api.send(AUTH + "login/", body).json()["user"]["username"] == "zoë"


@pytest.mark.any_user
def test_all_configured_backends_are_asked(api, alice, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "tests.unit.auth.test_flows.Refuses",
        "tests.unit.auth.test_flows.Knows",
    ]
    response = api.log_in(alice, "open sesame")
    assert response.status_code == 200
    assert api.whoami().status_code == 200


class Refuses:
    def authenticate(self, request, username=None, password=None):
        return None


class Knows:
    def authenticate(self, request, username=None, password=None):
        from django.contrib.auth import get_user_model

        return get_user_model().objects.get_by_natural_key(username) if password == "open sesame" else None

    def get_user(self, pk):
        from django.contrib.auth import get_user_model

        return get_user_model().objects.filter(pk=pk).first()


# Headers


def test_a_plain_authenticated_get_sets_no_cookie(signed_in):
    response = signed_in.get("/who/")
    assert not response.cookies
    assert "Cookie" in response["Vary"]
    assert "no-store" in response["Cache-Control"]


def test_a_page_that_asks_nothing_of_the_session_says_nothing_of_it(signed_in):
    response = signed_in.get("/nothing/")
    assert not response.cookies
    assert not response.has_header("Vary")
    assert not response.has_header("Cache-Control")


def test_a_stored_value_is_no_reason_for_another_cookie(signed_in):
    assert "sessionid" not in signed_in.get("/remembered/").cookies


@pytest.mark.rule("R21")
def test_the_cookie_of_a_login_has_the_flags_of_the_settings(api, alice):
    morsel = api.log_in(alice).cookies["sessionid"]
    assert morsel["httponly"] is True
    assert morsel["samesite"] == settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert morsel["path"] == "/"


def test_logout_takes_the_cookie_away(signed_in):
    morsel = signed_in.log_out().cookies["sessionid"]
    assert (morsel.value, morsel["max-age"]) == ("", 0)


@pytest.mark.rule("R44")
def test_a_failed_login_sets_no_session_cookie(api, alice):
    assert "sessionid" not in api.log_in(alice, "wrong").cookies
