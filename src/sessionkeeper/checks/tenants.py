"""Tenants whose sessions and users could be confused with each other's."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.conf import namespaces
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.core.check_ids import CheckId

#: Methods that a backend overrides to choose a schema, for each cursor or each connection.
_HOOKS = ("_cursor", "cursor", "create_cursor", "chunked_cursor", "init_connection_state")


def check_namespace() -> Iterator[checks.CheckMessage]:
    """Report a function for the active tenant that cannot be called."""
    asked = conf.current().namespace
    if isinstance(asked, CallableSetting) and (problem := asked.problem()):
        yield checks.Error(
            f"{problem} Every request that needs a session fails.",
            hint="Use a function without parameters that returns the name of the active tenant. A text with "
            "a dot is taken for the path of such a function.",
            id=CheckId.NAMESPACE_ASKED_IN_VAIN,
        )


@engine.if_ours
def check_schemas() -> Iterator[checks.CheckMessage]:
    """Report one namespace for tenants that have their own users."""
    fixed = conf.current().namespace
    schemas = namespaces.schemas()
    if isinstance(fixed, str) and schemas is not None and schemas.users:
        yield checks.Error(
            f"SESSIONKEEPER['NAMESPACE'] is {fixed!r} for all tenants, but each tenant has its own users. "
            "The session of a user is also valid for the user with the same primary key of another tenant.",
            hint="Remove NAMESPACE. The schema of the connection tells which tenant is active.",
            id=CheckId.NAMESPACE_SHARED,
        )
    if fixed is None and schemas is None and _caches() and (backend := _unknown_backend()):
        yield checks.Warning(
            f"SESSIONKEEPER caches users ({_caches()}), and the database backend {backend} may choose a "
            "schema for each tenant (a guess, because it has its own cursor). If it does, users of different "
            "tenants are confused.",
            hint="Set SESSIONKEEPER['NAMESPACE'] to a function that returns the active tenant. If there are "
            "no tenants, silence this check.",
            id=CheckId.PERHAPS_TENANTS,
        )


@engine.if_ours
def check_order() -> Iterator[checks.CheckMessage]:
    """Report a tenant that is chosen after the session is opened."""
    if namespaces.schemas() is None:
        return
    paths = list(settings.MIDDLEWARE)
    chosen = [number for number, path in enumerate(paths) if "tenant" in path.lower()]
    opened = [number for number, path in enumerate(paths) if path.endswith(".SessionMiddleware")]
    if chosen and opened and min(chosen) > min(opened):
        yield checks.Warning(
            f"{paths[min(chosen)]!r} comes after {paths[min(opened)]!r} in MIDDLEWARE. A session that is "
            "opened in between belongs to the schema of the previous request, or to the public one.",
            hint="Put it first in MIDDLEWARE.",
            id=CheckId.TENANT_TOO_LATE,
        )


def _caches() -> str:
    current = conf.current()
    named = {"NEAR_CACHE": current.near_cache, "PRINCIPAL_CACHE": current.principal_cache}
    return ", ".join(name for name, value in named.items() if value is not None)


def _unknown_backend() -> str:
    """Return the path of a PostgreSQL backend that is not Django's and has its own cursors; else empty."""
    connection = connections[DEFAULT_DB_ALIAS]
    kind = type(connection)
    own = [one for one in kind.__mro__ if issubclass(one, BaseDatabaseWrapper) and not _is_djangos(one)]
    if connection.vendor != "postgresql" or not any(hook in vars(one) for one in own for hook in _HOOKS):
        return ""
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_djangos(kind: type) -> bool:
    return kind.__module__.startswith("django.db.")
