"""Packages that cache queries, which must leave our tables out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks

from sessionkeeper.core.check_ids import CheckId

_LABEL = "sessionkeeper"


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
