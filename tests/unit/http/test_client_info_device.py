"""User agents in words."""

from __future__ import annotations

import sys

import pytest

from sessionkeeper.http.client_info import device

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    device.cache_clear()
    yield
    device.cache_clear()


def test_browser_and_system_are_named():
    assert device(FIREFOX) == "Firefox on Linux"


@pytest.mark.parametrize("text", ["", "nothing that anybody knows"])
def test_what_is_not_known_is_not_named(text):
    assert device(text) is None


def test_without_the_package_nothing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    assert device(FIREFOX) is None
