"""Caches that are on and do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004
)
from django.db import connections

from sessionkeeper import conf
from sessionkeeper.checks import engine, middleware
from sessionkeeper.conf import redis_url
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.middleware.session import AuthenticationMiddleware
from sessionkeeper.stores.near_cache.postgres import PostgresChannel

OUR_AUTHENTICATION = "sessionkeeper.middleware.AuthenticationMiddleware"


def check_near_cache() -> Iterator[CheckMessage]:
    """Report a near cache that has no channel, or that nobody asks."""
    current = conf.current()
    options = current.near_cache
    if options is None or not engine.is_ours():
        return
    known = list(connections)
    kind, _, name = current.store.partition(":")
    alias = name or "default" if kind == "database" else ""
    if options.channel is not None and options.channel not in known:
        yield Error(
            f"SESSIONKEEPER['NEAR_CACHE']['CHANNEL'] names the database {options.channel!r}, which DATABASES "
            "does not have: nothing is remembered.",
            hint=f"Known: {', '.join(known)}.",
            id=CheckId.CHANNEL_UNKNOWN,
        )
    if alias in known and not PostgresChannel.serves(alias):
        yield Warning(
            f"SESSIONKEEPER['NEAR_CACHE'] is on and does nothing: the database {alias!r} cannot tell other "
            "processes what was revoked.",
            hint="It needs PostgreSQL and psycopg 3. Without them, leave NEAR_CACHE out.",
            id=CheckId.NEAR_CACHE_WITHOUT_CHANNEL,
        )
    if not middleware.entries(AuthenticationMiddleware):
        yield Warning(
            "SESSIONKEEPER['NEAR_CACHE'] is on and does nothing: only our AuthenticationMiddleware asks it.",
            hint=middleware.instead_of(DjangoAuthentication, OUR_AUTHENTICATION),
            id=CheckId.NEAR_CACHE_UNASKED,
        )


def check_principal_cache() -> Iterator[CheckMessage]:
    """Report a principal cache over a store that keeps none, or that nobody asks."""
    current = conf.current()
    if current.principal_cache is None or not engine.is_ours():
        return
    if not redis_url.is_redis(current.store):
        yield Warning(
            "SESSIONKEEPER['PRINCIPAL_CACHE'] is set and does nothing: the sessions are in the database, "
            "which brings the user in the same statement.",
            hint="Leave PRINCIPAL_CACHE out.",
            id=CheckId.PRINCIPAL_CACHE_IDLE,
        )
    elif not middleware.entries(AuthenticationMiddleware):
        yield Warning(
            "SESSIONKEEPER['PRINCIPAL_CACHE'] is set and does nothing: only our AuthenticationMiddleware "
            "asks for it.",
            hint=middleware.instead_of(DjangoAuthentication, OUR_AUTHENTICATION),
            id=CheckId.PRINCIPAL_CACHE_IDLE,
        )
