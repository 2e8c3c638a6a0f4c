"""Whose address is counted: behind a proxy that nobody named, an attacker must not lock out all."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import Client
from django.urls import include, path

from sessionkeeper.http import client_info
from sessionkeeper.models import LoginAttempt
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("pages/", include("sessionkeeper.pages.urls")),
]

LIMIT = 3
#: The headers in which proxies say who connected to them.
HEADERS = [
    ("x-forwarded-for", "203.0.113.{}"),
    ("forwarded", "for=203.0.113.{};proto=https"),
    ("x-real-ip", "203.0.113.{}"),
]
#: Peers that are somebody's proxy, but nobody said so.
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.17.0.1",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.3.4",
    "::1",
    "fd00::7",
]


@pytest.fixture(autouse=True)
def _few_tries(settings, monkeypatch):
    monkeypatch.setattr(client_info, "_logged", set())
    settings.SESSIONKEEPER = {"SOURCE_TRIES": LIMIT, "LOCKOUT_TRIES": 100}


def client(peer, **headers):
    """A browser whose requests arrive from ``peer``; None: over a Unix socket."""
    made = Client(headers={"sec-fetch-site": "same-origin", **headers})
    made.defaults["REMOTE_ADDR"] = "" if peer is None else peer
    return made


def log_in(browser, name, password):
    body = json.dumps({"username": name, "password": password})
    return browser.post("/auth/login/", body, content_type="application/json").status_code


def guesses(peer, number=LIMIT + 1, **headers):
    """Try this many names with a wrong password; return the status codes."""
    return [log_in(client(peer, **headers), f"nobody{count}", "wrong") for count in range(number)]


def sources():
    return LoginAttempt.objects.filter(kind="source").count()


def warnings(caplog):
    ours = [one for one in caplog.records if one.name == "sessionkeeper.security"]
    return [one for one in ours if one.levelno >= logging.WARNING]


@pytest.mark.rule("R57")
@pytest.mark.parametrize("peer", PRIVATE)
@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_behind_a_proxy_that_is_not_named_an_attacker_stops_no_sign_in(make_user, peer, name, value):
    user = make_user()
    assert guesses(peer, **{name: value.format(9)}) == [401] * (LIMIT + 1)
    assert log_in(client(peer, **{name: value.format(80)}), user.get_username(), PASSWORD) == 200
    assert sources() == 0


@pytest.mark.rule("R57")
def test_over_a_unix_socket_an_attacker_stops_no_sign_in(make_user):
    user = make_user()
    assert guesses(None, **{"x-forwarded-for": "203.0.113.9"}) == [401] * (LIMIT + 1)
    assert log_in(client(None), user.get_username(), PASSWORD) == 200
    assert sources() == 0


@pytest.mark.rule("R57")
@pytest.mark.parametrize("header", [None, "", "unknown", "for=_hidden"])
def test_a_named_proxy_that_does_not_say_who_connected_is_not_the_client(settings, header):
    settings.SESSIONKEEPER = {**settings.SESSIONKEEPER, "TRUSTED_PROXIES": ["192.0.2.0/24"]}
    given = {} if header is None else {"x-forwarded-for": header}
    assert guesses("192.0.2.7", **given) == [401] * (LIMIT + 1)
    assert sources() == 0


@pytest.mark.rule("R57")
@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_a_client_with_a_public_address_cannot_switch_its_count_off(name, value):
    codes = [
        log_in(client("198.51.100.7", **{name: value.format(count)}), f"nobody{count}", "wrong")
        for count in range(LIMIT + 1)
    ]
    assert codes == [401] * LIMIT + [429]


@pytest.mark.rule("R57")
def test_a_client_behind_a_named_proxy_cannot_switch_its_count_off(settings):
    settings.SESSIONKEEPER = {**settings.SESSIONKEEPER, "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    codes = []
    for made_up in ("", "unknown, ", "10.1.1.1, ", "127.0.0.1, "):
        headers = {"x-forwarded-for": f"{made_up}203.0.113.9", "forwarded": "for=unknown", "x-real-ip": "::1"}
        codes.append(log_in(client("10.0.0.1", **headers), "nobody", "wrong"))
    assert codes == [401] * LIMIT + [429]


def test_a_client_of_a_private_network_is_counted_as_long_as_it_sends_no_such_header():
    assert guesses("10.1.2.3") == [401] * LIMIT + [429]


@pytest.mark.parametrize("peer", ["10.1.2.3", "fd00::7"])
def test_an_address_that_the_server_took_from_the_header_is_the_clients(peer):
    """As uvicorn's --forwarded-allow-ips does; the header stays in the request."""
    assert guesses(peer, **{"x-forwarded-for": f"6.6.6.6, {peer}"}) == [401] * LIMIT + [429]


def test_a_proxys_own_address_in_a_header_that_it_passed_on_does_not_make_it_the_client():
    headers = {"x-forwarded-for": "10.1.2.3", "x-real-ip": "203.0.113.9"}
    assert guesses("10.1.2.3", **headers) == [401] * (LIMIT + 1)
    assert guesses("127.0.0.1", **{"x-forwarded-for": "127.0.0.1"}) == [401] * (LIMIT + 1)


@pytest.mark.rule("R57")
@pytest.mark.parametrize(
    ("peer", "headers", "says"),
    [
        ("10.1.2.3", {"x-forwarded-for": "203.0.113.9"}, "10.1.2.3"),
        (None, {}, "Unix socket"),
    ],
)
def test_the_log_says_once_that_a_source_is_nobodys(caplog, peer, headers, says):
    guesses(peer, number=2, **headers)
    (told,) = warnings(caplog)
    assert told.name == "sessionkeeper.security"
    assert says in told.getMessage()
    assert "TRUSTED_PROXIES" in told.getMessage()


def test_the_log_says_nothing_of_headers_that_prove_nothing(caplog):
    guesses("198.51.100.7", number=1, **{"x-forwarded-for": "203.0.113.9"})
    guesses("127.0.0.1", number=1)
    assert warnings(caplog) == []


@pytest.mark.rule("R57")
@pytest.mark.parametrize("door", ["/auth/password/reset/", "/pages/password/reset/"])
def test_where_a_source_is_nobodys_no_resets_are_counted_for_it(door):
    codes = [
        client(None).post(door, {"email": f"nobody{count}@example.org"}).status_code for count in range(12)
    ]
    assert set(codes) <= {204, 302}
