"""Filters of the lists. None of them needs a query for its choices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionkeeper.core import moments
from sessionkeeper.core.records import BEARER, COOKIE
from sessionkeeper.stores.database import orm


class Filter(admin.SimpleListFilter):
    """A filter with fixed values."""

    #: Pairs of a value and its label.
    values: Sequence[tuple[str, Any]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        """Return the choices."""
        return self.values

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen value; all rows if none is chosen."""
        value = self.value()
        return self.chosen(queryset, value) if value in dict(self.values) else queryset

    def chosen(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the rows with this value in the column that the parameter names."""
        return rows.filter(**{str(self.parameter_name): value})


class TransportFilter(Filter):
    """Filters by transport."""

    title = _("transport")
    parameter_name = "transport"
    values = ((COOKIE, _("cookie")), (BEARER, _("bearer")))


class SignedInFilter(Filter):
    """Filters by whether somebody is signed in."""

    title = _("signed in")
    parameter_name = "signed_in"
    values = (("yes", _("Signed in")), ("no", _("Anonymous")))

    def chosen(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the sessions with or without a user."""
        return rows.filter(user__isnull=value == "no")


class LiveFilter(Filter):
    """Filters by whether the session has expired. Expired sessions remain until a purge."""

    title = _("state")
    parameter_name = "state"
    values = (("live", _("Live")), ("expired", _("Expired")))

    def chosen(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the live or the expired sessions."""
        return (orm.expired if value == "expired" else orm.live)(rows, moments.now())


class LastSeenFilter(Filter):
    """Filters by the time of the last recorded use."""

    title = _("last seen")
    parameter_name = "seen"
    values = (
        ("hour", _("In the past hour")),
        ("day", _("In the past day")),
        ("week", _("In the past 7 days")),
        ("longer", _("Longer ago")),
    )
    _spans = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

    def chosen(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the sessions used since that time, or before it."""
        since = moments.now() - self._spans.get(value, timedelta(days=7))
        if value == "longer":
            return rows.filter(last_seen_at__lt=since)
        return rows.filter(last_seen_at__gte=since)
