"""Caches of queries have to leave our tables out. With cacheops at work: tests/thirdparty."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.test import override_settings

from sessionkeeper.checks.caches import check_query_caches

FETCH = {"ops": {"fetch"}, "timeout": 60}


@pytest.fixture
def installed(monkeypatch):
    """A function that lets an application seem to be installed."""
    there = apps.is_installed

    def pretend(name):
        monkeypatch.setattr(apps, "is_installed", lambda label: label == name or there(label))

    return pretend


def messages(**settings):
    """What the check says, as (id, message, hint)."""
    from cacheops.conf import prepare_profiles  # its settings are kept once they are read

    with override_settings(**settings):
        prepare_profiles.memory.clear()
        found = [(one.id, one.msg, one.hint) for one in check_query_caches()]
    prepare_profiles.memory.clear()
    return found


def test_without_such_an_application_nothing_is_said():
    assert messages(CACHEOPS={"*.*": FETCH}) == []


@pytest.mark.parametrize("pattern", ["*.*", "sessionkeeper.*", "sessionkeeper.tombstone"])
def test_cacheops_over_our_tables_is_a_warning_with_the_line_that_ends_it(installed, pattern):
    installed("cacheops")
    ((name, text, hint),) = messages(CACHEOPS={pattern: FETCH})
    assert name == "sessionkeeper.W085"
    assert "sessionkeeper_tombstone" in text
    assert hint.endswith("CACHEOPS['sessionkeeper.*'] = None")


@pytest.mark.parametrize(
    "profiles",
    [
        {},
        {"auth.*": FETCH},
        {"*.*": {"timeout": 60}},  # for querysets that ask for it: ours do not
        {"*.*": FETCH, "sessionkeeper.*": None},
    ],
)
def test_cacheops_that_leaves_our_tables_alone_is_fine(installed, profiles):
    installed("cacheops")
    assert messages(CACHEOPS=profiles) == []


@pytest.mark.parametrize(
    ("settings", "tables"),
    [
        ({}, ["sessionkeeper_session", "sessionkeeper_tombstone"]),
        ({"CACHALOT_UNCACHABLE_TABLES": ["sessionkeeper_session"]}, ["sessionkeeper_tombstone"]),
        ({"CACHALOT_ONLY_CACHABLE_TABLES": {"sessionkeeper_session"}}, ["sessionkeeper_session"]),
        ({"CACHALOT_ONLY_CACHABLE_APPS": ("sessionkeeper",)}, ["sessionkeeper_tombstone"]),
    ],
)
def test_cachalot_over_our_tables_is_a_warning(installed, settings, tables):
    installed("cachalot")
    ((name, text, hint),) = messages(**settings)
    assert name == "sessionkeeper.W085"
    assert all(table in text for table in tables)
    assert hint.endswith("CACHALOT_UNCACHABLE_APPS = ['sessionkeeper']")


@pytest.mark.parametrize(
    "settings",
    [
        {"CACHALOT_ENABLED": False},
        {"CACHALOT_UNCACHABLE_APPS": ["sessionkeeper"]},
        {"CACHALOT_ONLY_CACHABLE_APPS": ["catalogue"]},
        {"CACHALOT_ONLY_CACHABLE_TABLES": ["catalogue_book"]},
    ],
)
def test_cachalot_that_leaves_our_tables_alone_is_fine(installed, settings):
    installed("cachalot")
    assert messages(**settings) == []
