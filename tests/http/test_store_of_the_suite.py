"""Where the sessions of this run are, so that a stage cannot quietly run on another store than it says."""

from __future__ import annotations

from django.conf import settings as django_settings

from tests import contents


def test_the_suite_runs_on_the_store_of_its_settings(settings):
    wanted = hasattr(django_settings, "STORE_OF_THE_SUITE")
    assert contents.is_in_valkey() is wanted
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 60}
    assert contents.is_in_valkey() is wanted
