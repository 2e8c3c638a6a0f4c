"""The option of the near cache: off, on, or on with numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessionkeeper import conf
from sessionkeeper.conf.near_cache import NearCache
from sessionkeeper.stores import factory
from tests.unit.conf.test_settings import problems_of


def read(value):
    """Return the options that a value stands for, and what is said about it."""
    return problems_of(NEAR_CACHE=value)


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (False, None),
        (None, None),
        (True, NearCache()),
        ({}, NearCache()),
        (
            {"ENTRIES": 5, "BYTES": 7, "LEASE": 9, "CHANNEL": "direct"},
            NearCache(5, 7, timedelta(seconds=9), "direct"),
        ),
    ],
)
def test_it_is_off_on_or_on_with_options(settings, value, options):
    settings.SESSIONKEEPER = {"NEAR_CACHE": value}
    assert conf.current().near_cache == options
    assert conf.problems() == []


def test_without_the_setting_it_is_off():
    assert conf.Settings().near_cache is None
    assert factory.get_near_cache() is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yes", "SESSIONKEEPER['NEAR_CACHE'] must be True, False or a dict of options, not 'yes'."),
        ({"ENTRY": 1}, "SESSIONKEEPER['NEAR_CACHE'] has an unknown key 'ENTRY'. Did you mean 'ENTRIES'?"),
        ({7: 1}, "SESSIONKEEPER['NEAR_CACHE'] has an unknown key 7. Known: ENTRIES, BYTES, LEASE, CHANNEL."),
        ({"ENTRIES": 0}, "SESSIONKEEPER['NEAR_CACHE']['ENTRIES'] must be a positive integer, not 0."),
        ({"BYTES": True}, "SESSIONKEEPER['NEAR_CACHE']['BYTES'] must be a positive integer, not True."),
        (
            {"LEASE": -1},
            "['NEAR_CACHE']['LEASE'] must be positive and at most 300 seconds, not -1.",
        ),
        (
            {"LEASE": 301},
            "['NEAR_CACHE']['LEASE'] must be positive and at most 300 seconds, not 301.",
        ),
        (
            {"CHANNEL": 1},
            "['NEAR_CACHE']['CHANNEL'] must be the name of an entry of DATABASES, not 1.",
        ),
    ],
)
def test_a_wrong_value_is_named_and_leaves_it_off(settings, value, says):
    assert any(says in problem for problem in read(value))
    settings.SESSIONKEEPER = {"NEAR_CACHE": value}
    assert conf.current().near_cache is None
