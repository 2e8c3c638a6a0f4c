"""The filters of the list of sessions. None of them queries the table for its choices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db import connections
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionkeeper.core import moments
from sessionkeeper.core.moments import MomentField
from sessionkeeper.core.records import BEARER, COOKIE
from sessionkeeper.models import Session


class TransportFilter(admin.SimpleListFilter):
    """By the way the key travels."""

    title = _("transport")
    parameter_name = "transport"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, Any]]:
        """Return the choices."""
        return ((COOKIE, _("cookie")), (BEARER, _("bearer")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Return the chosen sessions."""
        return queryset.filter(transport=self.value()) if self.value() else queryset


class SignedInFilter(admin.SimpleListFilter):
    """By whether somebody is signed in."""

    title = _("signed in")
    parameter_name = "signed_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, Any]]:
        """Return the choices."""
        return (("yes", _("Signed in")), ("no", _("Anonymous")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Return the chosen sessions."""
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(user__isnull=self.value() == "no")


class LiveFilter(admin.SimpleListFilter):
    """By whether both limits, idle and absolute, hold. Expired sessions stay until a purge."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, Any]]:
        """Return the choices."""
        return (("live", _("Live")), ("expired", _("Expired")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Return the chosen sessions."""
        if self.value() not in ("live", "expired"):
            return queryset
        now = moments.now()
        is_native = connections[queryset.db].features.has_native_duration_field
        # Elsewhere durations are microseconds, and MySQL takes no other product for one.
        second = Value(timedelta(seconds=1), DurationField()) if is_native else Value(1_000_000)
        idle_time = ExpressionWrapper(F("idle_seconds") * second, DurationField())
        idle_end = ExpressionWrapper(F("last_seen_at") + idle_time, MomentField())
        rows = queryset.alias(idle_end=idle_end)
        if self.value() == "expired":
            return rows.filter(Q(expires_at__lte=now) | Q(idle_seconds__isnull=False, idle_end__lte=now))
        return rows.filter(Q(idle_seconds__isnull=True) | Q(idle_end__gt=now), expires_at__gt=now)


class LastSeenFilter(admin.SimpleListFilter):
    """By the time of the last recorded use."""

    title = _("last seen")
    parameter_name = "seen"
    _spans = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "longer": timedelta(days=7),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, Any]]:
        """Return the choices."""
        return (
            ("hour", _("In the past hour")),
            ("day", _("In the past day")),
            ("week", _("In the past 7 days")),
            ("longer", _("Longer ago")),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Return the chosen sessions."""
        span = self._spans.get(self.value() or "")
        if span is None:
            return queryset
        since = moments.now() - span
        if self.value() == "longer":
            return queryset.filter(last_seen_at__lt=since)
        return queryset.filter(last_seen_at__gte=since)
