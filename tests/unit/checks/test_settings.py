"""Checks of ``SESSIONKEEPER``, of the engine, and of the settings of Django that they build on."""

import pickle
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from sessionkeeper import checks
from sessionkeeper.checks import cookies
from sessionkeeper.checks import settings as own
from sessionkeeper.core import records
from sessionkeeper.engine import renewal


def found(check):
    """The messages of one check, by the last part of their ids."""
    return {message.id.partition(".")[2]: message for message in checks.guarded(check)()}


class PickleSerializer:
    def dumps(self, obj):
        return pickle.dumps(obj)

    def loads(self, data):
        return pickle.loads(data)


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


def documented():
    """The keys in the settings reference."""
    text = (Path(__file__).resolve().parents[3] / "docs/reference/settings.md").read_text()
    part = text.partition("## Keys of `SESSIONKEEPER`")[2].partition("\n## ")[0]
    return set(re.findall(r"^### `([A-Z_]+)`$", part, re.MULTILINE))


@pytest.mark.rule("R14")
def test_the_settings_reference_has_the_times_of_the_presets():
    text = (Path(__file__).resolve().parents[3] / "docs/reference/settings.md").read_text()
    words = {None: "none", 900: "15 minutes", 3600: "1 hour", 43_200: "12 hours", 86_400: "24 hours"}
    words[30 * 86_400] = "30 days"
    for name, preset in records.PRESETS.items():
        idle = words[preset.idle and preset.idle.total_seconds()]
        assert f'| `"{name}"` | {idle} | {words[preset.absolute.total_seconds()]} |' in text
    assert records.DEFAULT_ABSOLUTE.days == 30
    assert records.ANONYMOUS_ABSOLUTE.days == 14


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


@pytest.mark.rule("R57")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURE_PROXY_SSL_HEADER", ("HTTP_X_FORWARDED_PROTO", "https")),
        ("USE_X_FORWARDED_HOST", True),
        ("USE_X_FORWARDED_PORT", True),
    ],
)
def test_a_proxy_that_is_only_known_to_django_is_a_warning(settings, name, value):
    assert not found(own.check_proxies)
    setattr(settings, name, value)
    assert name in found(own.check_proxies)["W016"].msg
    settings.SESSIONKEEPER = {"TRUSTED_PROXIES": ["127.0.0.1"]}
    assert not found(own.check_proxies)
