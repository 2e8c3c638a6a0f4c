"""The client's address: nobody's word is taken but that of proxies that the site trusts."""

from __future__ import annotations

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.core.keys import Secret
from sessionkeeper.http.client_info import client_address, parse_address
from sessionkeeper.middleware import session

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1"]


def address(header="", remote="10.0.0.1", name="X-Forwarded-For", trusted=PROXIES):
    """Return the address of a request with this header, from a proxy unless said otherwise."""
    request = RequestFactory().get("/", headers={name: header}, REMOTE_ADDR=remote)
    with override_settings(SESSIONKEEPER={"TRUSTED_PROXIES": trusted, "PROXY_HEADER": name}):
        return client_address(request)


def forwarded(header, **options):
    """Return the address by a Forwarded header."""
    return address(header, name="Forwarded", **options)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_without_trusted_proxies_no_header_is_read(name):
    assert address("for=203.0.113.9", name=name, trusted=[]) == "10.0.0.1"


@pytest.mark.rule("R35")
@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_a_client_that_is_no_proxy_cannot_say_who_it_is(name):
    header = "203.0.113.9" if name == "X-Forwarded-For" else "for=203.0.113.9"
    assert address(header, remote="198.51.100.7", name=name) == "198.51.100.7"


@pytest.mark.rule("R35")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "10.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.2.3.4", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.2.3.4", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
        ("2001:db8::0:7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.2.3.4", "203.0.113.9"),
        ("203.0.113.9, 2001:db8:ffff::1", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.9,", "203.0.113.9"),
        ("6.6.6.6, unknown, 10.2.3.4", "10.2.3.4"),
        ("6.6.6.6, <script>", "10.0.0.1"),
    ],
)
def test_the_first_hop_that_is_no_proxy_is_the_client(header, expected):
    assert address(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=203.0.113.9;proto=https;by=10.0.0.1, for=10.2.3.4", "203.0.113.9"),
        ('for=6.6.6.6, for="[2001:db8::7]:4711" ; proto=https', "2001:db8::7"),
        ('for="203.0.113.9:80"', "203.0.113.9"),
        ("for=6.6.6.6, proto=https", "10.0.0.1"),
        ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
        ("for=6.6.6.6, for=unknown;for=6.6.6.6", "10.0.0.1"),
        ('for="6.6.6.6, for=203.0.113.9', "203.0.113.9"),
        ('for=203.0.113.9;host="a, for=6.6.6.6"', "10.0.0.1"),
        ('for=203.0.113.9;host="a, for=6.6.6.6;x=\\""', "10.0.0.1"),
        ("203.0.113.9", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_by_its_grammar(header, expected):
    assert forwarded(header) == expected


def test_the_two_headers_are_never_mixed():
    request = RequestFactory().get(
        "/", headers={"Forwarded": "for=6.6.6.6", "X-Forwarded-For": "203.0.113.9"}, REMOTE_ADDR="10.0.0.1"
    )
    with override_settings(SESSIONKEEPER={"TRUSTED_PROXIES": PROXIES}):
        assert client_address(request) == "203.0.113.9"


@pytest.mark.parametrize(("trusted", "expected"), [(["unix"], "203.0.113.9"), (PROXIES, None)])
def test_a_proxy_on_a_unix_socket_has_no_address(trusted, expected):
    assert address("203.0.113.9", remote="", trusted=trusted) == expected


@pytest.mark.rule("R35")
def test_a_header_with_underscores_is_not_the_header():
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "client": ("10.0.0.1", 1)}
    scope["headers"] = [(b"x-forwarded-for", b"203.0.113.9"), (b"x_forwarded_for", b"6.6.6.6")]
    with override_settings(SESSIONKEEPER={"TRUSTED_PROXIES": PROXIES}):
        assert client_address(ASGIRequest(scope, None)) == "203.0.113.9"


@given(st.lists(st.text(max_size=20) | st.sampled_from(["6.6.6.6", "10.1.1.1", 'for="', "for=6.6.6.6"])))
def test_nothing_that_stands_before_the_clients_address_changes_it(made_up):
    text = ", ".join(made_up)
    assert address(f"{text}, 203.0.113.9") == "203.0.113.9"
    assert forwarded(f"{text}, for=203.0.113.9") == "203.0.113.9"


@given(st.text())
def test_any_header_gives_an_address_and_never_raises(text):
    for given_address in (address(text), forwarded(text)):
        assert given_address is not None
        assert str(parse_address(given_address)) == given_address


@pytest.mark.any_user
@pytest.mark.django_db
def test_the_address_is_worked_out_by_who_wants_it_and_once(monkeypatch):
    asked = []
    monkeypatch.setattr(session, "address_in", lambda meta: asked.append(meta) or "192.0.2.1")
    request = RequestFactory().get("/")
    session.SessionMiddleware(lambda request: HttpResponse())(request)
    assert asked == []
    assert [request.session.client.address, request.session.client.address] == ["192.0.2.1"] * 2
    assert asked == [Secret(request.META)]
