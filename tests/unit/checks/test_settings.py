"""Checks of ``SESSIONKEEPER``, of the engine, and of the settings of Django that they build on."""

import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.checks import WARNING

from sessionkeeper import checks
from sessionkeeper.checks import cookies, engine, middleware
from sessionkeeper.checks import settings as own
from sessionkeeper.core import policy
from sessionkeeper.engine import renewal
from sessionkeeper.engine.session_store import SessionStore as OurStore


def found(check):
    """The messages of one check, by the last part of their ids."""
    return {message.id.partition(".")[2]: message for message in checks.guarded(check)()}


class PickleSerializer:
    def dumps(self, obj):
        return pickle.dumps(obj)

    def loads(self, data):
        return pickle.loads(data)


class SessionStore(OurStore):
    """An engine of a project's own, built on ours."""


def test_an_unknown_key_is_an_error_with_the_name_that_was_meant(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOT": 60}
    message = found(own.check_sessionkeeper)["E001"]
    assert "IDLE_TIMEOT" in message.msg
    assert message.hint == "Did you mean 'IDLE_TIMEOUT'?"
    assert message.is_serious()


@pytest.mark.parametrize(
    "value",
    [{"IDLE_TIMEOUT": "1h"}, {"TIMEOUT_PRESET": "aal9"}, {"ADOPT": "x"}, {"STORE": "redis:"}, []],
)
def test_a_value_of_the_wrong_type_is_an_error_with_a_hint(settings, value):
    settings.SESSIONKEEPER = value
    assert found(own.check_sessionkeeper)["E001"].hint


def test_a_store_in_an_unknown_database_is_an_error(settings):
    settings.SESSIONKEEPER = {"STORE": "database:nowhere"}
    message = found(own.check_store)["E010"]
    assert "default" in message.hint


def test_a_store_in_a_known_database_is_fine(settings):
    settings.SESSIONKEEPER = {"STORE": "database:default"}
    assert not found(own.check_store)


def test_an_engine_that_cannot_be_imported_is_an_error(settings):
    settings.SESSION_ENGINE = "sessionkeeper.engin"
    assert "sessionkeeper.engine" in found(engine.check_engine)["E003"].hint


@pytest.mark.parametrize("name", ["db", "cached_db", "file", "cache", "signed_cookies"])
def test_a_project_that_has_not_switched_yet_is_told_and_not_warned(settings, name):
    """The application and its tables may be deployed days before the engine."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    message = found(engine.check_engine)["I003"]
    assert message.level < WARNING
    assert "'sessionkeeper.engine'" in message.hint
    assert (name in {"cache", "signed_cookies"}) == ("Sessions are kept in" in message.msg)


def test_an_engine_built_on_ours_is_fine(settings):
    settings.SESSION_ENGINE = __name__
    assert not found(engine.check_engine)
    assert engine.is_ours()


@pytest.mark.parametrize("value", ["x", None, [], float("nan"), float("inf")])
def test_a_cookie_age_that_is_no_number_is_an_error(settings, value):
    settings.SESSION_COOKIE_AGE = value
    assert set(found(own.check_timeouts)) == {"E009"}


def test_an_idle_timeout_longer_than_the_absolute_one_is_a_warning(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": timedelta(days=2), "ABSOLUTE_TIMEOUT": timedelta(days=1)}
    assert set(found(own.check_timeouts)) == {"W010"}


def test_a_cookie_age_longer_than_the_absolute_timeout_is_a_warning(settings):
    settings.SESSION_COOKIE_AGE = 31 * 86_400
    assert set(found(own.check_timeouts)) == {"W011"}


def test_a_touch_interval_as_long_as_the_idle_timeout_is_a_warning(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 600, "TOUCH_INTERVAL": 600}
    assert set(found(own.check_timeouts)) == {"W012"}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"TIMEOUT_PRESET": "aal1"},
        {"TIMEOUT_PRESET": "aal3"},
        {"IDLE_TIMEOUT": 60, "ABSOLUTE_TIMEOUT": 60},
    ],
)
def test_timeouts_that_fit_are_fine_whatever_the_cookie_age(settings, value):
    settings.SESSIONKEEPER = value
    assert not found(own.check_timeouts)


def test_a_serializer_that_cannot_be_imported_is_an_error(settings):
    settings.SESSION_SERIALIZER = "no.such.Serializer"
    assert set(found(own.check_serializer)) == {"E008"}


@pytest.mark.rule("R07")
def test_a_serializer_that_is_not_json_is_a_warning(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.PickleSerializer"
    assert set(found(own.check_serializer)) == {"W013"}


@pytest.mark.rule("R21")
@pytest.mark.parametrize(
    "wrong",
    [
        {"SESSION_COOKIE_SECURE": False},
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        {"SESSION_COOKIE_PATH": "/app"},
    ],
)
def test_a_cookie_that_browsers_refuse_for_its_prefix_is_an_error(settings, wrong):
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = "__Host-sessionid", True
    assert not found(cookies.check_prefix)
    for name, value in wrong.items():
        setattr(settings, name, value)
    message = found(cookies.check_prefix)["E007"]
    assert next(iter(wrong)) in message.hint


def test_the_csrf_cookie_has_to_keep_the_promise_of_its_prefix_too(settings):
    settings.CSRF_COOKIE_NAME = "__Host-csrftoken"
    assert "CSRF_COOKIE_SECURE = True" in found(cookies.check_prefix)["E007"].hint


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"ENGINE": "django.db.backends.postgresql"}, {"W020"}),
        ({"ENGINE": "django.db.backends.mysql", "CONN_MAX_AGE": 0}, {"W020"}),
        ({"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 60}, set()),
        ({"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None}, set()),
        ({"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": True}}, set()),
        ({"ENGINE": "django.db.backends.sqlite3"}, set()),
        ({"ENGINE": "django.contrib.gis.db.backends.spatialite"}, set()),
    ],
)
def test_a_database_server_connected_to_for_each_request_is_a_warning(
    monkeypatch, settings, database, expected
):
    monkeypatch.setattr(django_settings, "DATABASES", {"default": database})
    assert set(found(own.check_connections)) == expected
    settings.DEBUG = True  # the development server has no use for kept connections
    assert not found(own.check_connections)


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


@pytest.mark.rule("R14")
def test_the_settings_reference_has_the_times_of_the_presets():
    text = (Path(__file__).resolve().parents[3] / "docs/reference/settings.md").read_text()
    words = {None: "none", 900: "15 minutes", 3600: "1 hour", 43_200: "12 hours", 86_400: "24 hours"}
    words[30 * 86_400] = "30 days"
    for name, preset in policy.PRESETS.items():
        idle = words[preset.idle and preset.idle.total_seconds()]
        assert f'| `"{name}"` | {idle} | {words[preset.absolute.total_seconds()]} |' in text
    assert policy.DEFAULT_ABSOLUTE.days == 30
    assert policy.ANONYMOUS_ABSOLUTE.days == 14


def test_renewal_is_not_spoken_of_unless_asked_for_and_fine_by_itself(settings):
    assert found(own.check_renewal) == {}
    settings.SESSIONKEEPER = {"ROTATE_AFTER": 3600}
    assert found(own.check_renewal) == {}


def test_renewal_that_comes_too_early_or_not_at_all_is_a_warning(settings, monkeypatch):
    settings.SESSIONKEEPER = {"ROTATE_AFTER": 119}
    monkeypatch.setattr(renewal, "KEEPERS", ("django.contrib.messages",))
    messages = found(own.check_renewal)
    assert set(messages) == {"W014", "W015"}
    assert "django.contrib.messages" in messages["W014"].msg
