"""What a client says of itself, as it is stored."""

from __future__ import annotations

import pytest

from sessionkeeper.http.client_info import ClientInfo


def test_one_clean_line_of_each_is_stored_and_no_more_than_fits():
    client = ClientInfo(
        "192.0.2.1", "Firefox\r\nevil: \x1b[31m" + "x" * 600, label=" my \n phone " + "y" * 200
    )
    stored = client.columns()
    assert stored["user_agent"].startswith("Firefox  evil:  [31mxxx")
    assert stored["label"].startswith("my   phone")
    assert (len(stored["user_agent"]), len(stored["label"])) == (512, 99)


@pytest.mark.parametrize(
    ("address", "stored"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1")],
)
def test_an_address_is_stored_as_it_is_written_usually(address, stored):
    assert ClientInfo(address).columns() == {"ip_address": stored}


@pytest.mark.parametrize("address", ["", "unknown", "192.0.2.1.5", "192.0.2.1:80"])
def test_what_is_no_address_is_not_stored(address):
    assert ClientInfo(address).columns() == {}


def test_an_address_that_somebody_works_out_is_worked_out_once():
    asked = []
    client = ClientInfo(lambda: asked.append(1) or "192.0.2.1")
    assert asked == []
    assert (client.address, client.address, asked) == ("192.0.2.1", "192.0.2.1", [1])


def test_what_is_lent_says_nothing_of_the_session_that_lends_it():
    lent = ClientInfo("192.0.2.1", "Firefox", label="my phone", amr="pwd").lend()
    assert (lent.address, lent.user_agent) == ("192.0.2.1", "Firefox")
    assert (lent.label, lent.amr, lent.borrowed) == ("", "", True)
