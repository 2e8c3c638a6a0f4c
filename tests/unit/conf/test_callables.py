"""A function in the place of a value."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from sessionkeeper.conf.callables import CallableSetting, is_path

HERE = "tests.unit.conf.test_callables"


def number(value):
    if not isinstance(value, int):
        raise ValueError("is no number")
    return value


def by_user(request, user):
    return user


@pytest.mark.parametrize("target", [by_user, f"{HERE}.by_user"])
def test_a_function_or_its_path_is_called_for_each_user(target):
    setting = CallableSetting("LIMIT", target, number)
    assert [setting.ask(None, user) for user in (1, 2, None)] == [1, 2, None]


def test_a_wrong_return_value_names_the_setting_and_the_function():
    with pytest.raises(ImproperlyConfigured, match=r"'LIMIT'.*return value of by_user is no number"):
        CallableSetting("LIMIT", by_user, number).ask(None, "five")


@pytest.mark.parametrize(
    ("target", "problem"), [(by_user, ""), (lambda: 5, "does not take"), ("a.b", "No module")]
)
def test_a_function_that_cannot_be_called_is_a_problem(target, problem):
    told = CallableSetting("LIMIT", target, number).problem("request", "user")
    assert problem in told
    assert bool(told) == bool(problem)


@pytest.mark.parametrize("target", [f"{HERE}.missing", f"{HERE}.HERE"])
def test_a_path_that_leads_to_no_function_is_named(target):
    with pytest.raises(ImproperlyConfigured, match=r"SESSIONKEEPER\['LIMIT'\]"):
        CallableSetting("LIMIT", target, number).function()


@pytest.mark.parametrize(
    ("value", "expected"), [("a.b", True), ("a", False), ("a.b-c", False), ("a..b", False), (5, False)]
)
def test_a_path_is_spelled_like_one(value, expected):
    assert is_path(value) is expected
