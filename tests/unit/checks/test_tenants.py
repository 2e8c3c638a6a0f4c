"""Checks of tenants whose sessions and users could be taken for each other's."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections

from sessionkeeper.checks import tenants
from sessionkeeper.checks import tenants as checks
from sessionkeeper.conf import namespaces

tenant = ContextVar("tenant", default=None)


def active_tenant():
    """What a project's NAMESPACE names: the tenant that its middleware has set."""
    return tenant.get()


@pytest.fixture(autouse=True)
def _of_nobody():
    token = tenant.set(None)
    yield
    tenant.reset(token)


def ids(messages):
    return [message.id for message in messages]


def test_a_function_that_cannot_be_asked_is_an_error(settings):
    for wrong in ("no.such.module", lambda request: "a"):
        settings.SESSIONKEEPER = {"NAMESPACE": wrong}
        assert ids(checks.check_namespace()) == ["sessionkeeper.E080"]
    for right in (active_tenant, "acme", None):
        settings.SESSIONKEEPER = {"NAMESPACE": right}
        assert ids(checks.check_namespace()) == []


def test_a_backend_with_cursors_of_its_own_is_asked_about_where_users_are_remembered(settings, monkeypatch):
    settings.SESSIONKEEPER = {"NEAR_CACHE": True}
    assert ids(checks.check_schemas()) == []

    class Wrapper(type(connections[DEFAULT_DB_ALIAS])):
        vendor = "postgresql"

        def _cursor(self, name=None):
            return super()._cursor()

    monkeypatch.setattr(
        tenants, "connections", {"default": Wrapper(connection.settings_dict, DEFAULT_DB_ALIAS)}
    )
    [found] = checks.check_schemas()
    assert found.id == "sessionkeeper.W080"
    assert "guess" in found.msg
    settings.SESSIONKEEPER = {}
    assert ids(checks.check_schemas()) == []
    settings.SESSIONKEEPER = {"NEAR_CACHE": True, "NAMESPACE": active_tenant}
    assert ids(checks.check_schemas()) == []


def test_one_name_for_tenants_with_users_of_their_own_is_an_error(settings, monkeypatch):
    monkeypatch.setattr(namespaces, "schemas", lambda: namespaces.Schemas(lambda: "a", True, True))
    settings.SESSIONKEEPER = {"NAMESPACE": "all"}
    assert ids(checks.check_schemas()) == ["sessionkeeper.E081"]
    settings.SESSIONKEEPER = {}
    assert ids(checks.check_schemas()) == []


def test_a_tenant_that_is_chosen_after_the_session_is_named(settings, monkeypatch):
    monkeypatch.setattr(namespaces, "schemas", lambda: namespaces.Schemas(lambda: "a", True, True))
    tenants = "django_tenants.middleware.main.TenantMainMiddleware"
    settings.MIDDLEWARE = ["sessionkeeper.middleware.SessionMiddleware", tenants]
    assert ids(checks.check_order()) == ["sessionkeeper.W081"]
    settings.MIDDLEWARE = settings.MIDDLEWARE[::-1]
    assert ids(checks.check_order()) == []
