"""A function in the place of a value."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from sessionkeeper.conf.callables import CallableSetting, is_path, or_asked

HERE = "tests.unit.conf.test_callables"


def number(value):
    if not isinstance(value, int):
        raise ValueError("is no number")
    return value


def by_user(request, user):
    return user


@pytest.mark.parametrize("target", [by_user, f"{HERE}.by_user"])
def test_a_function_or_its_path_is_asked_for_each_user(target):
    setting = or_asked("LIMIT", number)(target)
    assert isinstance(setting, CallableSetting)
    assert [setting.ask(None, user) for user in (1, 2, None)] == [1, 2, None]


def test_a_plain_value_is_read_at_once():
    assert or_asked("LIMIT", number)(5) == 5


def test_what_is_neither_is_told_that_a_function_will_do():
    with pytest.raises(ValueError, match="is no number; a function of request and user"):
        or_asked("LIMIT", number)("five")


def test_an_answer_that_is_no_value_names_the_setting_and_the_function():
    with pytest.raises(ImproperlyConfigured, match=r"'LIMIT'.*by_user answered is no number"):
        or_asked("LIMIT", number)(by_user).ask(None, "five")


@pytest.mark.parametrize("target", [f"{HERE}.missing", f"{HERE}.HERE"])
def test_a_path_that_leads_to_no_function_is_named(target):
    with pytest.raises(ImproperlyConfigured, match=r"SESSIONKEEPER\['LIMIT'\]"):
        CallableSetting("LIMIT", target, number).function()


@pytest.mark.parametrize(
    ("value", "expected"), [("a.b", True), ("a", False), ("a.b-c", False), ("a..b", False), (5, False)]
)
def test_a_path_is_spelled_like_one(value, expected):
    assert is_path(value) is expected
