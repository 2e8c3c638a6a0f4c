"""The pages over HTTP: every flow, and what they refuse."""

from __future__ import annotations

import re

import pytest
from django.test import override_settings

from tests import contents
from tests.conftest import PASSWORD
from tests.http.pages_site import grow_old, who

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

# signing in and out


@pytest.mark.rule("R25")
@pytest.mark.any_user
def test_signing_in_leads_on_and_signing_out_ends_the_session(visitor, alice):
    answer = visitor.log_in(alice)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert who(visitor) == alice.get_username()
    answer = visitor.submit("/auth/logout/")
    assert (answer.status_code, answer["Location"]) == (302, "/auth/login/?done=out")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert who(visitor) == ""
    assert not contents.records()
    assert "You are signed out." in visitor.get(answer["Location"]).content.decode()


@pytest.mark.rule("R28")
def test_a_link_to_logout_signs_nobody_out(signed_in):
    assert "Sign out" in signed_in.get("/auth/logout/").content.decode()
    assert who(signed_in)


@pytest.mark.rule("R34")
def test_unknown_wrong_and_inactive_look_alike_and_keep_the_name(visitor, alice, make_user):
    inactive, pages = make_user(is_active=False), set()
    for name, password in (
        (alice.get_username(), "wrong"),
        ("nobody", PASSWORD),
        (inactive.get_username(), PASSWORD),
    ):
        answer = visitor.submit("/auth/login/", username=name, password=password)
        text = answer.content.decode()
        assert f'value="{name}"' in text
        assert f'value="{password}"' not in text
        assert answer["WWW-Authenticate"]
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
        pages.add((answer.status_code, text.replace(name, "")))
    assert len(pages) == 1
    assert pages.pop()[0] == 401


@pytest.mark.rule("R43")
def test_too_many_tries_are_a_429_that_says_when(visitor, alice):
    answers = [visitor.log_in(alice, "wrong") for _ in range(7)]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert "Try again in 1 minute." in answers[-1].content.decode()


@pytest.mark.parametrize(("remember", "lasts"), [({"remember": "on"}, True), ({}, False)])
def test_staying_signed_in_is_a_choice(visitor, alice, remember, lasts):
    visitor.log_in(alice, **remember)
    assert bool(visitor.cookies["sessionid"]["max-age"]) is lasts


@override_settings(
    SESSIONKEEPER={"SECOND_FACTOR": "tests.unit.pages.test_login.everybody_has_one"}, LOGIN_URL="/elsewhere/"
)
def test_who_has_a_second_factor_is_led_to_where_it_is_asked_for(visitor, alice):
    answer = visitor.log_in(alice)
    assert answer.status_code == 401
    assert 'href="/elsewhere/"' in answer.content.decode()
    assert not contents.records()


def everybody_has_one(user):
    return True


# where to go next


# devices


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.rule("R30")
def test_a_view_that_asks_for_a_recent_proof_leads_browsers_to_the_question_and_back(signed_in):
    assert signed_in.get("/safe/?a=1", headers=BROWSER).json() == {"opened": True}
    grow_old()
    answer = signed_in.get("/safe/?a=1", headers=BROWSER)
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fsafe%2F%3Fa%3D1"
    assert signed_in.submit(answer["Location"], password=PASSWORD)["Location"] == "/safe/?a=1"
    assert signed_in.get("/safe/?a=1", headers=BROWSER).json() == {"opened": True}


def test_a_program_is_told_what_is_asked_for(signed_in):
    grow_old()
    answer = signed_in.get("/safe/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")


# passwords


# every page


# the admin


def test_the_admin_signs_in_by_the_same_page(visitor, alice):
    answer = visitor.get("/admin/")
    login = visitor.get(answer["Location"])
    assert login["Location"] == "/auth/login/?next=%2Fadmin%2F"
    alice.is_staff = alice.is_superuser = True
    alice.save()
    assert visitor.log_in(alice, query="?next=/admin/")["Location"] == "/admin/"
    assert visitor.get("/admin/").status_code == 200


def test_who_may_not_use_the_admin_is_refused_and_not_sent_in_circles(signed_in):
    answer = signed_in.get("/admin/")
    assert signed_in.get(answer["Location"]).status_code == 403


@pytest.mark.parametrize("old", [True, False])
def test_reauthentication_says_that_time_has_passed_only_if_it_has(signed_in, old):
    if old:
        grow_old()
    text = signed_in.get("/auth/reauthenticate/").content.decode()
    assert ("Some time has passed" in text) is old
