"""Headers and cookies of answers that belong to one person."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from sessionkeeper.core import keys
from tests.unit.middleware.browsing import Browser

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.unit.middleware.browsing"),
]

#: What the next request does, by name; sync functions of the request.


@pytest.mark.rule("R24")
def test_vary_is_sent_only_where_the_session_was_used(browser):
    assert "Vary" not in browser.do(lambda request: None).headers
    assert browser.do(lambda request: request.session.get("a") and None)["Vary"] == "Cookie"


@pytest.mark.rule("R24")
def test_answers_of_the_signed_in_and_those_that_set_the_cookie_are_not_cached(browser, make_user):
    assert "no-store" in browser.put("a")["Cache-Control"]
    assert "Cache-Control" not in browser.do(lambda request: request.session.get("a") and None).headers
    browser.sign_in(make_user())
    assert "no-store" in browser.do(lambda request: HttpResponse(str(request.user)))["Cache-Control"]
    own = HttpResponse(headers={"Cache-Control": "max-age=60, private"})
    assert "max-age=60" in browser.do(lambda request: request.user.pk and own)["Cache-Control"]


def test_a_key_that_opens_nothing_is_taken_from_the_browser_when_it_was_used(browser):
    browser.client.cookies["sessionid"] = keys.mint().text
    assert not browser.do(lambda request: None).cookies
    assert browser.do(lambda request: request.session.get("a") and None).cookies["sessionid"]["max-age"] == 0


def test_a_late_answer_does_not_take_the_new_key_away(browser):
    browser.put("a")
    late = Browser("sync")
    late.client.cookies["sessionid"] = browser.key
    browser.do(lambda request: request.session.cycle_key())
    assert not late.do(lambda request: request.session.get("a") and None).cookies
    assert browser.do(lambda request: HttpResponse(str(request.session.get("a")))).text == "1"
