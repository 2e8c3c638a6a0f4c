"""Tenants whose sessions and users could be taken for each other's."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004
)
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.conf import namespaces
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.core.check_ids import CheckId

#: What a backend overrides that chooses a schema, at each cursor or for each connection.
_HOOKS = ("_cursor", "cursor", "create_cursor", "chunked_cursor", "init_connection_state")


def check_namespace() -> Iterator[CheckMessage]:
    """Report a function that cannot say which tenant is active."""
    asked = conf.current().namespace
    if not isinstance(asked, CallableSetting):
        return
    try:
        function = asked.function()
        inspect.signature(function).bind()
    except (ImproperlyConfigured, TypeError, ValueError) as error:
        yield Error(
            f"SESSIONKEEPER['NAMESPACE'] names {asked.label}, which cannot be asked for the tenant: {error}."
            " Every request that needs its session fails.",
            hint="Name a function without arguments that returns the name of the active tenant. A text with "
            "a dot in it is taken for the path of one.",
            id=CheckId.NAMESPACE_ASKED_IN_VAIN,
        )


def check_schemas() -> Iterator[CheckMessage]:
    """Report tenants who have users of their own, and one namespace for all."""
    if not engine.is_ours():
        return
    fixed = conf.current().namespace
    if isinstance(fixed, str) and namespaces.has_own_users():
        yield Error(
            f"SESSIONKEEPER['NAMESPACE'] is {fixed!r} for all tenants, and each of them has its own users: "
            "a session of one tenant's user is one of the user with the same number at another.",
            hint="Leave NAMESPACE out: the schema of the connection says which tenant it is.",
            id=CheckId.NAMESPACE_SHARED,
        )
    if fixed is None and not namespaces.has_schemas() and _caches() and (backend := _unknown_backend()):
        yield Warning(
            f"SESSIONKEEPER remembers users ({_caches()}), and the database backend {backend} may choose a "
            "schema for each tenant (this is a guess: it has a cursor of its own). If it does, a user of one "
            "tenant is taken for another's.",
            hint="Set SESSIONKEEPER['NAMESPACE'] to a function that returns the active tenant. If there are "
            "no tenants, silence this.",
            id=CheckId.PERHAPS_TENANTS,
        )


def check_order() -> Iterator[CheckMessage]:
    """Report a tenant that is chosen after the session is opened."""
    if not engine.is_ours() or not namespaces.has_schemas():
        return
    paths = list(settings.MIDDLEWARE)
    chosen = [number for number, path in enumerate(paths) if "tenant" in path.lower()]
    opened = [number for number, path in enumerate(paths) if path.endswith(".SessionMiddleware")]
    if chosen and opened and min(chosen) > min(opened):
        yield Warning(
            f"{paths[min(chosen)]!r} stands after {paths[min(opened)]!r}: what opens the session before it "
            "does so for the schema of the request before, or the public one.",
            hint="Put it first in MIDDLEWARE.",
            id=CheckId.TENANT_TOO_LATE,
        )


def _caches() -> str:
    current = conf.current()
    named = {"NEAR_CACHE": current.near_cache, "PRINCIPAL_CACHE": current.principal_cache}
    return ", ".join(name for name, value in named.items() if value is not None)


def _unknown_backend() -> str:
    """Return the path of a backend of PostgreSQL that is not Django's and looks after cursors itself."""
    connection = connections[DEFAULT_DB_ALIAS]
    kind = type(connection)
    own = [one for one in kind.__mro__ if issubclass(one, BaseDatabaseWrapper) and not _is_djangos(one)]
    if connection.vendor != "postgresql" or not any(hook in vars(one) for one in own for hook in _HOOKS):
        return ""
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_djangos(kind: type) -> bool:
    return kind.__module__.startswith("django.db.")
