"""The one setting: typed, read at call time, wrong parts named."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import override_settings

from sessionkeeper import conf
from sessionkeeper.conf import table
from sessionkeeper.conf.near_cache import NearCache
from tests.pages import settings_reference


def problems_of(**entries):
    """Return what is said about these entries, as text."""
    with override_settings(SESSIONKEEPER=entries):
        return [f"{problem.message} {problem.hint}".strip() for problem in conf.problems()]


def test_without_the_setting_every_default_holds():
    settings = conf.current()
    assert settings == conf.Settings()
    assert settings.idle_seconds == 1209600
    assert settings.absolute == timedelta(days=30)
    assert settings.absolute_cap is None
    assert not settings.explicit_idle
    assert conf.problems() == []


def test_override_settings_takes_effect_at_once_and_ends():
    with override_settings(SESSIONKEEPER={"IDLE_TIMEOUT": 60}):
        assert conf.current().idle_seconds == 60
        with override_settings(SESSIONKEEPER={"IDLE_TIMEOUT": timedelta(hours=1)}):
            assert conf.current().idle_seconds == 3600
        assert conf.current().idle_seconds == 60
    assert conf.current().idle_seconds == 1209600


def test_the_idle_timeout_follows_session_cookie_age():
    with override_settings(SESSION_COOKIE_AGE=77):
        assert conf.current().idle_seconds == 77
    with override_settings(SESSION_COOKIE_AGE=77, SESSIONKEEPER={"TIMEOUT_PRESET": "aal1"}):
        assert conf.current().idle_seconds is None


@pytest.mark.parametrize(
    ("preset", "idle", "absolute"),
    [
        ("aal1", None, timedelta(days=30)),
        ("aal2", 3600, timedelta(hours=24)),
        ("aal3", 900, timedelta(hours=12)),
    ],
)
def test_a_preset_sets_both_times(preset, idle, absolute):
    with override_settings(SESSIONKEEPER={"TIMEOUT_PRESET": preset}):
        settings = conf.current()
        assert (settings.idle_seconds, settings.absolute) == (idle, absolute)
        assert settings.explicit_idle


def test_a_cookie_age_beyond_what_databases_hold_is_cut():
    with override_settings(SESSION_COOKIE_AGE=10**12):
        assert conf.current().idle_seconds < 2**31


def test_a_time_of_its_own_goes_before_the_preset():
    with override_settings(
        SESSIONKEEPER={"TIMEOUT_PRESET": "aal3", "IDLE_TIMEOUT": 60, "ABSOLUTE_TIMEOUT": 3600}
    ):
        assert conf.current().idle_seconds == 60
        assert conf.current().absolute_cap == timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("IDLE_TIMEOUTS", "IDLE_TIMEOUT"),
        ("idle_timeout", "IDLE_TIMEOUT"),
        ("STOER", "STORE"),
        ("PRESET", "TIMEOUT_PRESET"),
    ],
)
def test_an_unknown_key_is_told_what_was_meant(name, meant):
    (said,) = problems_of(**{name: 5})
    assert f"unknown key {name!r}" in said
    assert f"Did you mean {meant!r}?" in said


def test_a_key_like_no_other_is_told_what_there_is():
    (said,) = problems_of(QQQQQQ=1)
    assert "Known: STORE, TIMEOUT_PRESET, IDLE_TIMEOUT, " in said


@pytest.mark.parametrize("value", [[], "x", 5, (("IDLE_TIMEOUT", 5),)])
def test_a_setting_that_is_no_dict_is_named_and_defaults_hold(value):
    with override_settings(SESSIONKEEPER=value):
        (problem,) = conf.problems()
        assert "must be a dict" in problem.message
        assert conf.current() == conf.Settings()


def test_keys_that_are_no_text_are_named():
    with override_settings(SESSIONKEEPER={5: 6, None: 1}):
        assert len(conf.problems()) == 2


def test_none_means_not_set():
    with override_settings(SESSIONKEEPER={"IDLE_TIMEOUT": None, "STORE": None}):
        assert conf.problems() == []
        assert conf.current() == conf.Settings()


def test_a_wrong_part_leaves_the_right_parts_in_force():
    with override_settings(SESSIONKEEPER={"IDLE_TIMEOUT": "x", "TOUCH_INTERVAL": 9}):
        assert conf.current().touch_interval == timedelta(seconds=9)


def test_the_settings_are_frozen():
    with pytest.raises(AttributeError):
        conf.current().store = "database:other"


@pytest.mark.rule("R54")
def test_the_reference_lists_the_settings_as_they_are():
    """Write it anew with ``python -m tests.pages.settings_reference``."""
    text = settings_reference.PAGE.read_text()
    assert text == settings_reference.page()
    for key in [*table.settings_of(conf.Settings), *table.settings_of(NearCache)]:
        assert f"\n### `{key}`\n" in text


def test_the_reference_names_the_settings_that_take_a_function():
    part = settings_reference.PAGE.read_text().partition("## Limits for some users")[2].partition("```")[0]
    named = {key for key, one in table.settings_of(conf.Settings).items() if one.per_request}
    assert set(re.findall(r"`([A-Z_]{5,})`", part)) == named


def test_each_default_is_a_value_that_its_setting_takes():
    for options in (conf.Settings, NearCache):
        for key in table.settings_of(options):
            default = getattr(options(), key.lower())
            assert default is None or table.read(options, key, default) == default
