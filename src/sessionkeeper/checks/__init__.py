"""System checks: the classic pitfalls of sessions, found when the project starts.

Every message has a stable id, listed with its fix in ``docs/reference/checks.md``. Errors are what breaks
sign-in; warnings are what weakens or slows it; ``SILENCED_SYSTEM_CHECKS`` silences one. No check imports
Django REST Framework by itself, and none raises, whatever the settings hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import Any

from django.core import checks

from sessionkeeper.checks import (
    adoption,
    caches,
    cookies,
    deploy,
    drf,
    engine,
    mfa,
    middleware,
    passwords,
    query_caches,
    settings,
    store,
    tenants,
    urls,
)
from sessionkeeper.core.check_ids import CheckId

#: ``manage.py check --tag sessionkeeper`` runs these alone.
TAG = "sessionkeeper"

Check = Callable[[], Iterator[checks.CheckMessage]]

ALWAYS: tuple[Check, ...] = (
    settings.check_sessionkeeper,
    settings.check_asked,
    settings.check_store,
    settings.check_timeouts,
    settings.check_renewal,
    settings.check_serializer,
    settings.check_cookie_prefix,
    cookies.check_partitioned,
    cookies.check_domain,
    settings.check_connections,
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
    drf.check_defaults,
    mfa.check_second_factor,
    passwords.check_backends,
    query_caches.check_query_caches,
)
#: Only with ``manage.py check --deploy``.
DEPLOY: tuple[Check, ...] = (deploy.check_cookies, deploy.check_https, passwords.check_hashers)


def register() -> None:
    """Register all checks; called once, when the applications are ready."""
    for check in ALWAYS:
        checks.register(guarded(check), TAG)
    for check in DEPLOY:
        checks.register(guarded(check), TAG, checks.Tags.security, deploy=True)


def guarded(check: Check) -> Callable[..., list[checks.CheckMessage]]:
    """Return the check as Django calls it. One that fails is a warning: it must not stop the project."""

    def run(**_: Any) -> list[checks.CheckMessage]:
        try:
            return list(check())
        except Exception as error:  # noqa: BLE001 - settings and view code of the project may raise anything
            return [
                checks.Warning(
                    f"The check {check.__name__} could not be run: {error!r}.",
                    hint="Run the other checks' advice first; if this stays, report it.",
                    id=CheckId.CHECK_FAILED,
                )
            ]

    update_wrapper(run, check)
    del run.__wrapped__  # type: ignore[attr-defined]  # Django asks the signature for **kwargs
    return run
