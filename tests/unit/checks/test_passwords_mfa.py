"""The check says who is asked for a second factor, and what cannot be asked."""

from __future__ import annotations

import pytest
from django.test import override_settings

from sessionkeeper.checks.passwords import check_second_factor


def has_factor(user):
    """What a project's own function may look like."""
    return False


def messages(setting):
    with override_settings(SESSIONKEEPER=setting):
        return [(message.id, message.msg) for message in check_second_factor()]


def test_a_project_without_factors_hears_nothing():
    assert messages({}) == []


def test_who_is_asked_is_an_info():
    path = f"{__name__}.has_factor"
    ((name, text),) = messages({"SECOND_FACTOR": path})
    assert name == "sessionkeeper.I002"
    assert path in text


@pytest.mark.parametrize("path", ["nothing.like_it", f"{__name__}.nothing", f"{__name__}.__name__"])
def test_a_function_that_cannot_be_asked_is_an_error(path):
    assert [name for name, _ in messages({"SECOND_FACTOR": path})] == ["sessionkeeper.E015"]
