"""A site in production: signing in, saving, ending sessions from elsewhere, the admin, a restart."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import shell_pages
from tests.demo_server import ADMIN, ALICE, ROOT, Visitor

PAGES = ("/", "/dashboard/", "/api/profile/", "/api/notes/", "/auth/sessions/", "/api/auth/sessions/")
#: More often than the statement of a request runs on one connection before it is prepared.
MANY = 8
TUTORIAL = shell_pages.steps(ROOT / "docs/tutorial.md")[1:]


@pytest.fixture
def signed_in(site):
    """A function that gives a visitor who has signed in."""

    def sign_in(credentials=ALICE):
        visitor = Visitor(site)
        assert visitor.log_in(credentials).status == 200
        return visitor

    return sign_in


@pytest.mark.takes_long
def test_every_command_of_the_tutorial_prints_what_it_shows(site, tmp_path):
    printed = shell_pages.transcript(site, tmp_path, TUTORIAL)
    for step in TUTORIAL:
        shell_pages.check(step, printed[step.line])


def test_who_is_signed_in_reads_many_pages(signed_in):
    visitor = signed_in()
    for path in PAGES * MANY:
        assert (path, visitor.get(path).status) == (path, 200)


def test_a_wrong_password_signs_nobody_in(site):
    visitor = Visitor(site)
    answer = visitor.log_in({**ALICE, "password": "red-queen"})
    assert (answer.status, answer.json) == (401, {"error": "Invalid credentials"})
    assert visitor.get("/dashboard/").status == 401


def test_what_is_saved_is_read_back(signed_in):
    visitor, other = signed_in(), signed_in()
    assert [visitor.get("/articles/visits/").json["visits"] for _ in range(MANY)] == list(range(1, MANY + 1))
    assert other.get("/articles/visits/").json == {"visits": 1}


def test_people_who_come_at_once_do_not_hinder_each_other(site):
    def stay(number):
        visitor = Visitor(site)
        answers = [visitor.log_in({**ALICE, "username": f"guest{number}"}), visitor.get("/dashboard/")]
        answers += [visitor.get("/articles/visits/") for _ in range(3)]
        answers += [visitor.get("/api/auth/session/"), visitor.send_json("POST", "/logout/", {})]
        return [answer.status for answer in answers]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(stay, range(12))) == [[200] * 7] * 12


def test_an_anonymous_visitor_keeps_what_is_saved(site):
    visitor = Visitor(site)
    assert [visitor.get("/articles/visits/").json["visits"] for _ in range(3)] == [1, 2, 3]
    visitor.log_in()
    assert visitor.get("/articles/visits/").json == {"visits": 4}


def test_another_device_is_signed_out_at_its_next_request(signed_in):
    here, there = signed_in(), signed_in()
    assert there.get("/dashboard/").status == 200
    ended = there.get("/api/auth/session/").json["session"]["id"]
    assert here.send_json("DELETE", f"/api/auth/sessions/{ended}/", {}).status == 204
    assert there.get("/dashboard/").status == 401
    assert here.get("/dashboard/").status == 200


def test_all_others_are_signed_out_at_once(signed_in):
    here, there, elsewhere = signed_in(), signed_in(), signed_in()
    assert here.send_json("POST", "/api/auth/sessions/revoke-others/", {}).json["revoked"] >= 2
    assert [one.get("/dashboard/").status for one in (here, there, elsewhere)] == [200, 401, 401]


def test_the_admin_lists_sessions_and_ends_one(site, signed_in):
    alice, admin = signed_in(), Visitor(site)
    admin.get("/admin/login/")
    assert admin.submit("/admin/login/?next=/admin/", **ADMIN).status == 302
    ended = alice.get("/api/auth/session/").json["session"]["id"]
    listed = admin.get(f"/admin/sessionkeeper/session/?q={ended}")
    assert ended in listed.text
    answer = admin.submit(
        "/admin/sessionkeeper/session/", action="delete_selected", _selected_action=admin_key(listed.text)
    )
    assert answer.status == 302
    assert alice.get("/dashboard/").status == 401


def admin_key(page):
    """The key by which the list of the admin names its only row."""
    [value] = set(re.findall(r'name="_selected_action" value="([^"]+)"', page))
    return value


def test_signing_out_ends_the_session_for_a_copy_of_the_cookie_too(site, signed_in):
    visitor, thief = signed_in(), Visitor(site)
    thief.cookies = dict(visitor.cookies)
    assert thief.get("/dashboard/").status == 200
    assert visitor.send_json("POST", "/logout/", {}).status == 200
    assert [one.get("/dashboard/").status for one in (visitor, thief)] == [401, 401]


@pytest.mark.takes_long
def test_sessions_survive_a_restart(site, signed_in):
    visitor, ended = signed_in(), signed_in()
    visitor.get("/articles/visits/")
    ended.send_json("POST", "/api/auth/logout/", {})
    site.stop()
    site.start()
    assert visitor.get("/dashboard/").json == {"user": "alice"}
    assert visitor.get("/articles/visits/").json == {"visits": 2}
    assert ended.get("/dashboard/").status == 401
