"""Requests of other sites: the attacker has a page that the victim's browser opens."""

from __future__ import annotations

import pytest

from tests import contents
from tests.conftest import PASSWORD
from tests.transports import Api

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]

BROWSERS = {
    "a browser of today, another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "a browser of today, a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.testserver"},
    "a sandboxed frame": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    "a browser without Fetch Metadata": {"Origin": "https://evil.example"},
    "a browser that sends neither": {"Referer": "https://evil.example/"},
    "a value of tomorrow": {"Sec-Fetch-Site": "other-planet", "Origin": "https://evil.example"},
}
BODIES = {
    "a form": "application/x-www-form-urlencoded",
    "JSON as plain text": "text/plain",
    "a form with files": "multipart/form-data; boundary=x",
}


def attack(victim, path, headers, content_type, user=None):
    body = f"username={user}&password={PASSWORD}" if user else ""
    return victim.generic("POST", path, body, content_type=content_type, headers=headers)


@pytest.mark.rule("R26")
@pytest.mark.rule("R27")
@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize("body", BODIES)
def test_another_site_signs_nobody_out_in_or_over(signed_in, alice, make_user, browser, body):
    headers, content_type = BROWSERS[browser], BODIES[body]
    session = signed_in.whoami().json()["session"]["id"]
    mallory = make_user().get_username()
    for path in ("logout/", "sessions/revoke-all/", "password/change/", "reauthenticate/"):
        assert attack(signed_in, f"/api/auth/{path}", headers, content_type).status_code == 403
    assert attack(signed_in, "/api/auth/login/", headers, content_type, mallory).status_code == 403
    after = signed_in.whoami().json()
    assert (after["session"]["id"], after["user"]["username"]) == (session, alice.get_username())


@pytest.mark.rule("R26")
@pytest.mark.parametrize("browser", BROWSERS)
def test_another_site_signs_no_visitor_in_as_the_attacker(make_user, browser):
    visitor, mallory = Api(), make_user().get_username()
    answer = attack(visitor, "/api/auth/login/", BROWSERS[browser], BODIES["a form"], mallory)
    assert answer.status_code == 403
    assert visitor.key is None
    assert not contents.records()


@pytest.mark.rule("R28")
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_no_link_or_image_changes_who_is_signed_in(signed_in, method):
    before, key = contents.record(), signed_in.key
    for path in ("login/", "logout/", "sessions/revoke-all/", "sessions/revoke-others/", "tokens/", "csrf/"):
        assert getattr(signed_in, method)(f"/api/auth/{path}").status_code in {200, 405}
    assert contents.record() == before
    assert signed_in.key == key
