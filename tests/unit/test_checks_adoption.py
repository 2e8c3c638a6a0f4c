"""The check of ``ADOPT``."""

from __future__ import annotations

import pytest

from sessionkeeper.checks.adoption import check_adopt

OLD = "django.contrib.sessions.backends."


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        (None, []),
        (OLD + "db", []),
        (OLD + "cached_db", []),
        (OLD + "missing", ["sessionkeeper.E013"]),
        (OLD + "cache", ["sessionkeeper.E019"]),
        (OLD + "signed_cookies", ["sessionkeeper.E019"]),
    ],
)
def test_an_engine_that_cannot_be_taken_over_is_named(settings, engine, found):
    settings.SESSIONKEEPER = {"ADOPT": engine}
    assert [message.id for message in check_adopt()] == found


def test_the_old_table_has_to_be_there(settings):
    settings.SESSIONKEEPER = {"ADOPT": OLD + "db"}
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"]
    assert [message.id for message in check_adopt()] == ["sessionkeeper.E015"]
