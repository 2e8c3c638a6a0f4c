"""System checks, which find common mistakes with sessions when the project starts.

Every message has a stable id, which ``docs/reference/checks.md`` lists with its fix. An error breaks sign-in,
a warning weakens or slows it. No check imports Django REST Framework, and none raises, whatever the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.core import checks

from sessionkeeper.checks import (
    adoption,
    caches,
    cookies,
    drf,
    engine,
    installation,
    middleware,
    passwords,
    settings,
    store,
    tenants,
    urls,
)
from sessionkeeper.core.check_ids import CheckId

#: ``manage.py check --tag sessionkeeper`` runs only these checks.
TAG = "sessionkeeper"

ALWAYS: tuple[engine.Check, ...] = (
    settings.check_sessionkeeper,
    settings.check_functions,
    settings.check_store,
    settings.check_timeouts,
    settings.check_renewal,
    settings.check_serializer,
    cookies.check_prefix,
    cookies.check_partitioned,
    cookies.check_domain,
    settings.check_connections,
    settings.check_proxies,
    store.check_redis,
    caches.check_near_cache,
    caches.check_principal_cache,
    tenants.check_namespace,
    tenants.check_schemas,
    tenants.check_order,
    adoption.check_adopt,
    engine.check_engine,
    middleware.check_present,
    middleware.check_order,
    middleware.check_mixed,
    urls.check_csrf_exempt,
    urls.check_cross_site_views,
    drf.check_defaults,
    installation.check_tokens,
    installation.check_login_page,
    passwords.check_second_factor,
    passwords.check_backends,
    caches.check_query_caches,
)
#: Only with ``manage.py check --deploy``.
DEPLOY: tuple[engine.Check, ...] = (cookies.check_cookies, middleware.check_https, passwords.check_hashers)


def register() -> None:
    """Register all checks; called once, when the application registry is ready."""
    for check in ALWAYS:
        checks.register(guarded(check), TAG)
    for check in DEPLOY:
        checks.register(guarded(check), TAG, checks.Tags.security, deploy=True)


def guarded(check: engine.Check) -> Callable[..., list[checks.CheckMessage]]:
    """Return the check as Django calls it. If it raises, that is a warning: it must not stop the project."""

    def run(**_: Any) -> list[checks.CheckMessage]:
        try:
            return list(check())
        except Exception as error:  # noqa: BLE001 - the project's settings and views may raise anything
            return [
                checks.Warning(
                    f"The check {check.__name__} raised {error!r}.",
                    hint="First fix what the other checks report. If this message remains, report a bug.",
                    id=CheckId.CHECK_FAILED,
                )
            ]

    update_wrapper(run, check)
    del run.__wrapped__  # type: ignore[attr-defined]  # Django looks for **kwargs in the signature
    return run
