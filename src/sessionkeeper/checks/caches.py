"""Caches that are enabled but have no effect, and packages that cache queries of our tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

from sessionkeeper import conf
from sessionkeeper.checks import engine, middleware
from sessionkeeper.conf import redis_url
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.middleware.session import AuthenticationMiddleware
from sessionkeeper.stores.near_cache.postgres import PostgresChannel

_LABEL = "sessionkeeper"


@engine.if_ours
def check_near_cache() -> Iterator[checks.CheckMessage]:
    """Report a near cache without a channel, or without the middleware that uses it."""
    current = conf.current()
    options = current.near_cache
    if options is None:
        return
    known = list(connections)
    alias = None if current.store_alias is None else current.store_alias or DEFAULT_DB_ALIAS
    if options.channel is not None and options.channel not in known:
        yield checks.Error(
            f"SESSIONKEEPER['NEAR_CACHE']['CHANNEL'] is {options.channel!r}, which is not in DATABASES. The "
            "near cache has no effect.",
            hint=f"Known entries: {', '.join(known)}.",
            id=CheckId.CHANNEL_UNKNOWN,
        )
    if alias in known and not PostgresChannel.serves(alias):
        yield checks.Warning(
            "SESSIONKEEPER['NEAR_CACHE'] has no effect: through the database "
            f"{alias!r} processes cannot tell each other which sessions were revoked.",
            hint="Use PostgreSQL and psycopg 3, or remove NEAR_CACHE.",
            id=CheckId.NEAR_CACHE_WITHOUT_CHANNEL,
        )
    yield from _unused("NEAR_CACHE", CheckId.NEAR_CACHE_UNASKED)


@engine.if_ours
def check_principal_cache() -> Iterator[checks.CheckMessage]:
    """Report a principal cache with a store that has none, or without the middleware that uses it."""
    current = conf.current()
    if current.principal_cache is None:
        return
    if not redis_url.is_redis(current.store):
        yield checks.Warning(
            "SESSIONKEEPER['PRINCIPAL_CACHE'] has no effect: the sessions are in the database, which reads "
            "the user in the same statement.",
            hint="Remove PRINCIPAL_CACHE.",
            id=CheckId.PRINCIPAL_CACHE_IDLE,
        )
    else:
        yield from _unused("PRINCIPAL_CACHE", CheckId.PRINCIPAL_CACHE_IDLE)


def _unused(name: str, error: CheckId) -> Iterator[checks.CheckMessage]:
    if not middleware.entries(AuthenticationMiddleware):
        yield checks.Warning(
            f"SESSIONKEEPER[{name!r}] has no effect: only sessionkeeper's AuthenticationMiddleware uses it.",
            hint=middleware.instead_of(DjangoAuthentication),
            id=error,
        )


def check_query_caches() -> Iterator[checks.CheckMessage]:
    """Report a package that caches queries of our tables."""
    for name, covered, line in (
        ("cacheops", _by_cacheops, "CACHEOPS['sessionkeeper.*'] = None"),
        ("cachalot", _by_cachalot, "CACHALOT_UNCACHABLE_APPS = ['sessionkeeper']"),
    ):
        tables = covered() if apps.is_installed(name) else []
        if tables:
            yield checks.Warning(
                f"{name} caches queries of sessionkeeper's tables ({', '.join(tables)}), but does not notice "
                "every write to them: lists may be stale, and a revoked session may seem to exist.",
                hint=f"Exclude them from the cache: {line}",
                id=CheckId.QUERIES_CACHED,
            )


def _models() -> list[Any]:
    return list(apps.get_app_config(_LABEL).get_models())


def _by_cacheops() -> list[str]:
    from cacheops.conf import model_profile  # type: ignore[import-untyped]  # only where it is installed

    return [model._meta.db_table for model in _models() if (model_profile(model) or {}).get("ops")]


def _by_cachalot() -> list[str]:
    def listed(name: str) -> set[str]:
        value = getattr(settings, name, None)
        return set(value) if isinstance(value, list | tuple | set | frozenset) else set()

    only = listed("CACHALOT_ONLY_CACHABLE_TABLES"), listed("CACHALOT_ONLY_CACHABLE_APPS")
    if not getattr(settings, "CACHALOT_ENABLED", True) or _LABEL in listed("CACHALOT_UNCACHABLE_APPS"):
        return []
    tables = {model._meta.db_table for model in _models()} - listed("CACHALOT_UNCACHABLE_TABLES")
    if any(only) and _LABEL not in only[1]:
        tables &= only[0]
    return sorted(tables)
