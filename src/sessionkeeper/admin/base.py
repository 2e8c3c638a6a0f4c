"""What the admin pages of our models share: our own search, and no way to add rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class RecordAdmin(_ModelAdmin):
    """A list of rows that are never added by hand."""

    search_fields = ("pk",)  # shows the search box; matching() decides what is found
    show_full_result_count = False

    def matching(self, term: str, rows: QuerySet[Any]) -> Q:
        """Return the condition of the rows that a search for ``term`` finds."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that a search finds."""
        term = search_term.strip()
        return (queryset.filter(self.matching(term, queryset)) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False
