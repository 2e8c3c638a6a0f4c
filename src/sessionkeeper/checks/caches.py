"""Caches that are enabled but have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

from sessionkeeper import conf
from sessionkeeper.checks import engine, middleware
from sessionkeeper.conf import redis_url
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.middleware.session import AuthenticationMiddleware
from sessionkeeper.stores.near_cache.postgres import PostgresChannel


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
    if not middleware.entries(AuthenticationMiddleware):
        yield checks.Warning(
            "SESSIONKEEPER['NEAR_CACHE'] has no effect: only sessionkeeper's AuthenticationMiddleware uses "
            "it.",
            hint=middleware.instead_of(DjangoAuthentication),
            id=CheckId.NEAR_CACHE_UNASKED,
        )


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
    elif not middleware.entries(AuthenticationMiddleware):
        yield checks.Warning(
            "SESSIONKEEPER['PRINCIPAL_CACHE'] has no effect: only sessionkeeper's AuthenticationMiddleware "
            "uses it.",
            hint=middleware.instead_of(DjangoAuthentication),
            id=CheckId.PRINCIPAL_CACHE_IDLE,
        )
