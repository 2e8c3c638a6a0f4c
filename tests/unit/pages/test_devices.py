"""The page of devices: what it shows, and what ends from there."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from tests.conftest import PASSWORD
from tests.http.pages_site import Visitor, grow_old, who
from tests.transports import TokenApi

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


def test_a_page_of_devices_leads_on_to_older_ones(signed_in, alice, monkeypatch):
    monkeypatch.setattr(registry.page_for, "__defaults__", (3, keys.MAX_ID))
    for _ in range(7):
        Client().force_login(alice)
    address, shown = "/auth/sessions/", []
    while address is not None:
        text = signed_in.get(address).content.decode()
        shown += re.findall(r"/sessions/([\w-]{11})/end/", text)
        found = re.search(r'href="(\?before=[\w-]{11})"', text)
        address = found and "/auth/sessions/" + found[1]
        assert text.count('class="badge">This device') == (len(shown) <= 4)
    assert len(shown) == len(set(shown)) == 8


@pytest.mark.rule("R17")
def test_the_page_shows_all_devices_this_one_first(signed_in, alice):
    other = Visitor(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other.log_in(alice)
    program = TokenApi()
    text = signed_in.get("/auth/sessions/").content.decode()
    assert text.count('<li class="device') == 2
    assert text.index("This device") < text.index("Firefox on Linux")
    assert "127.0.0.1" in text
    assert program.key is None


def test_the_page_shows_what_ended_and_how(signed_in, alice):
    other = Visitor(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other.log_in(alice)
    assert "Recently ended" not in signed_in.get("/auth/sessions/").content.decode()
    other.submit("/auth/logout/")
    text = signed_in.get("/auth/sessions/").content.decode()
    ended = text[text.index("Recently ended") :]
    assert "Firefox on Linux" in ended
    assert "Signed out" in ended


@pytest.mark.rule("R17")
def test_one_device_is_signed_out_and_refused_at_its_next_request(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    ends = keys.encode_id(keys.parse(other.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{ends}/end/")
    assert answer["Location"] == "/auth/sessions/?done=ended"
    assert who(other) == ""
    assert who(signed_in)


def test_signing_out_this_device_here_signs_out(signed_in):
    ends = keys.encode_id(keys.parse(signed_in.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{ends}/end/")
    assert answer["Location"] == "/auth/login/?done=out"
    assert who(signed_in) == ""


@pytest.mark.rule("R46")
@pytest.mark.parametrize("name", ["x", "A" * 11, None])
def test_what_is_no_session_of_ones_own_is_left_alone(signed_in, make_user, name):
    bob = Visitor()
    bob.log_in(make_user())
    name = name or keys.encode_id(keys.parse(bob.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{name}/end/")
    assert answer["Location"] == "/auth/sessions/?done=ended"
    assert who(bob)


def test_all_other_devices_are_signed_out_at_once(signed_in, alice):
    others = [Visitor(), Visitor()]
    for other in others:
        other.log_in(alice)
    signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert [who(other) for other in others] == ["", ""]
    assert who(signed_in)


def test_ending_others_asks_for_the_password_when_the_last_proof_is_old(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    grow_old()
    answer = signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fauth%2Fsessions%2F"
    assert who(other)
    wrong = signed_in.submit(answer["Location"], password="wrong")
    assert wrong.status_code == 401
    proved = signed_in.submit(answer["Location"], password=PASSWORD)
    assert proved["Location"] == "/auth/sessions/"
    signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert who(other) == ""


@pytest.mark.parametrize(("others", "text"), [(1, "1 other device."), (3, "3 other devices.")])
def test_the_page_says_on_how_many_others_one_was_signed_out(signed_in, alice, others, text):
    for _ in range(others):
        Visitor().log_in(alice)
    answer = signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert f"Signed out of {text}" in signed_in.get(answer["Location"]).content.decode()


@pytest.mark.parametrize("count", ["", "-1", "<b>", "9" * 5000, "²"])
def test_a_count_that_somebody_has_made_up_is_not_shown(signed_in, count):
    page = signed_in.get("/auth/sessions/", {"done": "others", "count": count})
    assert "Signed out of 0 other devices." in page.content.decode()


def test_times_are_relative_with_the_exact_one_and_its_zone_as_title(signed_in, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    text = signed_in.get("/auth/sessions/").content.decode()
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ CES?T">just now</time>', text)
    earlier = {"at": timezone.now() - timedelta(minutes=5, seconds=5)}
    assert ">5\xa0minutes ago</time>" in render_to_string("sessionkeeper/pages/time.html", earlier)


def test_the_history_is_folded(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    other.submit("/auth/logout/")
    text = signed_in.get("/auth/sessions/").content.decode()
    assert text.index("<details>") < text.index("Recently ended") < text.index("</details>")
