"""Checks of a site on the internet."""

import pytest

from sessionkeeper import checks
from sessionkeeper.checks import cookies, middleware


def found(check):
    """The messages of one check, by the last part of their ids."""
    return {message.id.partition(".")[2]: message for message in checks.guarded(check)()}


SAFE = {
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
}


@pytest.mark.rule("R54")
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SESSION_COOKIE_SECURE", False, "W030"),
        ("SESSION_COOKIE_HTTPONLY", False, "W031"),
        ("SESSION_COOKIE_SAMESITE", None, "W032"),
        ("SESSION_COOKIE_SAMESITE", False, "W032"),
        ("SESSION_COOKIE_SAMESITE", "None", "W032"),
        ("SESSION_COOKIE_NAME", "sessionid", "W033"),
        ("CSRF_COOKIE_SECURE", False, "W034"),
        ("SECURE_SSL_REDIRECT", False, "W035"),
        ("SECURE_HSTS_SECONDS", 0, "W036"),
    ],
)
def test_each_weak_setting_of_a_deployment_is_a_warning_of_its_own(settings, name, value, expected):
    for safe, fine in SAFE.items():
        setattr(settings, safe, fine)
    assert not {**found(cookies.check_cookies), **found(middleware.check_https)}
    setattr(settings, name, value)
    messages = {**found(cookies.check_cookies), **found(middleware.check_https)}
    assert set(messages) == {expected}
    assert name in messages[expected].hint


def test_https_settings_without_the_middleware_that_reads_them_are_no_use(settings):
    for safe, fine in SAFE.items():
        setattr(settings, safe, fine)
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert set(found(middleware.check_https)) == {"W035", "W036"}


def test_no_csrf_cookie_needs_no_secure_csrf_cookie(settings):
    settings.CSRF_USE_SESSIONS = True
    assert "W034" not in found(cookies.check_cookies)
