"""The active tenant, to which all stored and cached sessions and users belong.

``SESSIONKEEPER["NAMESPACE"]`` names it. Without that setting it is the schema of the database connection, if
the backend has schemas for tenants (django-tenants, django-pgschemas). Otherwise there is one namespace, the
empty string. It is read when it is needed, never from the ``Host`` header. If there are tenants and none is
active, nothing is read or written.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, connections

from sessionkeeper import conf
from sessionkeeper.conf.validators import LONGEST_NAMESPACE, is_namespace
from sessionkeeper.core import context
from sessionkeeper.core.errors import NoNamespace

_given: ContextVar[str | None] = ContextVar("sessionkeeper_namespace", default=None)
# The namespace of the request, for code in an event loop, which cannot wait for the request's thread.
_noted: ContextVar[str | None] = context.variable("namespace_of_request")
#: Settings that say where tenants and their users are.
_SETTINGS = {"AUTH_USER_MODEL", "DATABASES", "INSTALLED_APPS", "TENANT_APPS", "TENANT_TYPES", "TENANTS"}
_MISSING = (
    "No tenant is active: SESSIONKEEPER['NAMESPACE'] returned nothing, so nothing is read or written. A "
    "request needs its tenant before it uses the session; run commands, tasks and receivers inside "
    "sessionkeeper.sessions.namespace('…')."
)
_IN_A_LOOP = (
    "The tenant cannot be read in an event loop, whose database connections are not the request's. Use the "
    "async methods of the session, or sync_to_async()."
)

_T = TypeVar("_T")
_Rows = TypeVar("_Rows", bound=Any)


def active() -> str:
    """Return the active namespace; empty if there are no tenants.

    Raises:
        NoNamespace: there are tenants and none is active.
    """
    given = _given.get()
    if given is not None:
        return given
    fixed, read = _source()
    if read is None:
        return fixed
    if _get_running_loop() is None:
        return _checked(read())
    if (noted := _noted.get()) is not None:
        return noted
    if not context.in_greenlet():
        raise NoNamespace(_IN_A_LOOP)
    return context.run_in_database_thread(active)


def at_hand() -> str | None:
    """Return the active namespace; None if an event loop would have to wait for it."""
    if _get_running_loop() is None or context.in_greenlet() or not must_be_read():
        return active()
    return _noted.get()


def must_be_read() -> bool:
    """Whether the namespace depends on the request, so that only the request's thread can tell it."""
    return _given.get() is None and _source()[1] is not None


async def note() -> None:
    """Store the namespace of the current request for its code in the event loop. Uses a thread."""
    _noted.set(await sync_to_async(active)())


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """Set the namespace in a ``with`` block, for commands, tasks and receivers outside of requests.

    It does not switch the database's schema. With django-tenants use ``schema_context`` instead, which sets
    the namespace too.

    Raises:
        NoNamespace: the name is not valid, or the connection is in the schema of another tenant.
    """
    name = _checked(name)
    if conf.current().namespace is None and _get_running_loop() is None:
        _, read = _source()
        if read is not None and read() != name:
            raise NoNamespace(
                f"The database connection is in the schema {read()!r}, not in {name!r}, so it has the users "
                "of another tenant. Switch the schema with schema_context() instead."
            )
    token = _given.set(name)
    try:
        yield
    finally:
        _given.reset(token)


def later(function: Callable[[], _T]) -> Callable[[], _T]:
    """Return ``function`` bound to the namespace that is active now, for example for ``on_commit``."""
    name = active()

    def run() -> _T:
        token = _given.set(name)
        try:
            return function()
        finally:
            _given.reset(token)

    return run if name else function


def rows(queryset: _Rows) -> _Rows:
    """Return the rows of the active namespace, because tenants may share a table."""
    return cast("_Rows", queryset.filter(namespace=active()))


def apart(text: str) -> str:
    """Return ``text`` with the namespace in front; unchanged if there are no tenants."""
    name = active()
    return f"{name}\n{text}" if name else text


def of_users() -> str:
    """Return what distinguishes users with the same primary key; empty if tenants may share users.

    They may if a function of the project names the tenants. Messages about a user then go to all tenants.
    """
    found = schemas() if conf.current().namespace is None else None
    return active() if found is not None and found.users else ""


def _source() -> tuple[str, Callable[[], Any] | None]:
    """Return the only namespace, or the function that reads the active one."""
    setting = conf.current().namespace
    if isinstance(setting, str):
        return setting, None
    if setting is not None:
        return "", setting.function()
    found = schemas()
    if found is None:
        return "", None
    if found.users or found.sessions:
        return "", found.read
    return _public(), None  # all tenants share the users and their sessions


def _checked(name: Any) -> str:
    if is_namespace(name):
        return str(name)
    if not name:
        raise NoNamespace(_MISSING)
    raise NoNamespace(
        f"A namespace must be a text of at most {LONGEST_NAMESPACE} printable characters, not {name!r}."
    )


class Schemas(NamedTuple):
    """Reads the active schema, and knows whether tenants have their own users and their own sessions."""

    read: Callable[[], Any]
    users: bool
    sessions: bool


@lru_cache(maxsize=1)
def schemas() -> Schemas | None:
    """Return how tenants have schemas; None if the database backend has none."""
    alias = getattr(settings, "TENANT_DB_ALIAS", DEFAULT_DB_ALIAS)
    each: Any = connections  # a backend with schemas has attributes that Django's lacks
    labels = settings.AUTH_USER_MODEL.partition(".")[0], "sessionkeeper"
    if hasattr(each[alias], "schema_name"):
        return Schemas(lambda: each[alias].schema_name, *map(_is_of_tenants, labels))
    if apps.is_installed("django_pgschemas"):
        from django_pgschemas.schema import get_current_schema  # type: ignore[import-not-found]

        return Schemas(lambda: get_current_schema().schema_name, *map(_is_of_tenants, labels))
    return None


def _public() -> str:
    return str(getattr(settings, "PUBLIC_SCHEMA_NAME", "public"))


def _is_of_tenants(label: str) -> bool:
    """Whether each tenant has its own tables of this application, according to the packages' settings."""
    kinds = getattr(settings, "TENANT_TYPES", None) or getattr(settings, "TENANTS", None) or {}
    listed = [app for name, kind in kinds.items() if name != _public() for app in kind.get("APPS", ())]
    listed += getattr(settings, "TENANT_APPS", ())
    config = apps.get_app_config(label)
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    return not listed or bool(names & set(listed))


def _forget(*, setting: str, **_: Any) -> None:
    if setting in _SETTINGS:
        schemas.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessionkeeper.namespaces")
