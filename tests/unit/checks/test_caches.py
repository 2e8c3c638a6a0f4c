"""The option of the near cache: what it takes, and when it does nothing."""

from __future__ import annotations

import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication

from sessionkeeper.checks import caches as own
from sessionkeeper.stores import factory
from sessionkeeper.stores.near_cache.store import NearCacheStore
from tests.stores import is_postgresql
from tests.unit.checks.test_settings import found

OURS = "sessionkeeper.middleware.AuthenticationMiddleware"


def test_on_sqlite_it_is_off_and_a_warning_says_so(settings):
    settings.SESSIONKEEPER = {"NEAR_CACHE": True}
    if is_postgresql():
        assert not found(own.check_near_cache)
        assert isinstance(factory.get_store(), NearCacheStore)
        return
    assert "PostgreSQL" in found(own.check_near_cache)["W021"].hint
    assert factory.get_near_cache() is None


def test_a_channel_that_does_not_exist_is_an_error(settings):
    settings.SESSIONKEEPER = {"NEAR_CACHE": {"CHANNEL": "nowhere"}}
    assert "default" in found(own.check_near_cache)["E011"].hint


def test_under_djangos_middleware_it_does_nothing_and_a_warning_says_so(settings):
    settings.SESSIONKEEPER = {"NEAR_CACHE": True}
    assert "W022" not in found(own.check_near_cache)
    settings.MIDDLEWARE = [line for line in settings.MIDDLEWARE if line != OURS]
    assert OURS in found(own.check_near_cache)["W022"].hint


def test_a_subclass_of_djangos_middleware_is_not_to_be_replaced(settings):
    settings.SESSIONKEEPER = {"NEAR_CACHE": True}
    settings.MIDDLEWARE = [f"{__name__}.OwnAuthentication"]
    hint = found(own.check_near_cache)["W022"].hint
    assert f"Make '{__name__}.OwnAuthentication' a subclass of {OURS!r}" in hint


class OwnAuthentication(DjangoAuthentication):
    """A project's own, which does more than Django's."""


def test_nothing_is_said_while_it_is_off_or_the_engine_is_another(settings):
    assert not found(own.check_near_cache)
    settings.SESSIONKEEPER = {"NEAR_CACHE": {"CHANNEL": "nowhere"}}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert not found(own.check_near_cache)


@pytest.mark.parametrize(
    ("store", "middleware", "says"),
    [
        ("redis://localhost", [OURS], None),
        ("database:", [OURS], "the sessions are in the database"),
        ("redis://localhost", [], "only sessionkeeper's AuthenticationMiddleware uses"),
    ],
)
def test_a_principal_cache_that_does_nothing_is_said(settings, store, middleware, says):
    settings.SESSIONKEEPER = {"STORE": store, "PRINCIPAL_CACHE": 60}
    settings.MIDDLEWARE = middleware
    told = list(own.check_principal_cache())
    assert [(one.id, says in one.msg) for one in told] == ([("sessionkeeper.W025", True)] if says else [])
