"""The check of ``ADOPT``."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.apps import apps

from sessionkeeper.checks.adoption import check_adopt

OLD = "django.contrib.sessions.backends."


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        (None, []),
        (OLD + "db", []),
        (OLD + "cached_db", []),
        (OLD + "missing", ["sessionkeeper.E020"]),
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
    assert [message.id for message in check_adopt()] == ["sessionkeeper.E021"]


def test_columns_of_keys_that_come_loose_are_named_as_a_guess(settings, monkeypatch):
    settings.SESSIONKEEPER = {"ADOPT": OLD + "db"}
    column = SimpleNamespace(name="session_key")
    meta = SimpleNamespace(label="shop.Basket", app_label="shop", local_fields=[column])
    models = apps.get_models()
    monkeypatch.setattr(apps, "get_models", lambda: [*models, SimpleNamespace(_meta=meta)])
    [message] = check_adopt()
    assert message.id == "sessionkeeper.I004"
    assert "shop.Basket.session_key hold session keys (a guess)" in message.msg
    assert "docs/howto/existing-project.md" in message.hint
    settings.SESSIONKEEPER = {}
    assert list(check_adopt()) == []
