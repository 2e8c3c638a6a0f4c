"""User agents in words."""

from __future__ import annotations

import pytest

from sessionkeeper.http.client_info import device

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (f"{_WINDOWS} {_CHROME} Safari/537.36", "Chrome on Windows"),
        (f"{_WINDOWS} {_CHROME} Safari/537.36 Edg/131.0.0.0", "Edge on Windows"),
        (f"{_MAC} {_CHROME} Safari/537.36 OPR/116.0.0.0", "Opera on macOS"),
        (f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari on macOS"),
        (f"{_IPHONE} Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{_IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{_IPHONE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{_ANDROID} {_CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (f"{_ANDROID} SamsungBrowser/27.0 {_CHROME} Mobile Safari/537.36", "Samsung Internet on Android"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME} Safari/537.36", "Chrome on ChromeOS"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "Python Requests"),
        ("Mozilla/5.0 (Windows NT 10.0)", "Windows"),
    ],
)
def test_browser_and_system_are_named(text, name):
    assert device(text) == name


@pytest.mark.parametrize("text", ["", "nothing that anybody knows", "I am curl/8.5", "x" * 512 + "Firefox/1"])
def test_what_is_not_known_is_not_named(text):
    assert device(text) is None
