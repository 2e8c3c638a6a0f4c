"""The audit trail in Django's admin: look and search. Nothing can be added, changed or removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionkeeper.admin.filters import Filter
from sessionkeeper.audit import events, trail
from sessionkeeper.core import keys
from sessionkeeper.engine.users import name_of, of_users_named, users
from sessionkeeper.models import AuditEvent

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[AuditEvent]
else:
    _ModelAdmin = admin.ModelAdmin


class KindFilter(Filter):
    """By kind."""

    title = _("event")
    parameter_name = "kind"
    values = [(kind.value, kind.value.replace("_", " ")) for kind in events.Kind]


@admin.register(AuditEvent)
class AuditEventAdmin(_ModelAdmin):
    """A list of events, newest first."""

    list_display = ("at", "kind", "user_name", "session", "reason", "by", "ip_address", "user_agent")
    list_filter = (KindFilter,)
    search_fields = ("id",)  # what is searched is in get_search_results
    search_help_text = _("User name, e-mail address, or the 11 characters of a session id")
    ordering = ("-id",)
    show_full_result_count = False
    actions = None
    fields = readonly_fields = (
        "at",
        "kind",
        "user_name",
        "session",
        "reason",
        "by",
        "ip_address",
        "user_agent",
        "details",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Read where the trail is written, and all users of a page in two more queries."""
        rows = trail.rows()
        people = [Prefetch(name, queryset=users()) for name in ("user", "actor")]
        return rows.prefetch_related(*people).order_by(*self.ordering)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Find by the user's name or e-mail address, or by session id."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted, number = of_users_named(term, queryset), keys.parse_id(term)
        return queryset.filter(wanted | Q(session_id=number) if number is not None else wanted), False

    @admin.display(description=_("user"))
    def user_name(self, event: AuditEvent) -> str:
        """Return the name of the user whom it is about."""
        return "" if event.user_id is None else name_of(event.user, event.user_id)

    @admin.display(description=_("by"))
    def by(self, event: AuditEvent) -> str:
        """Return the name of the user who did it."""
        return "" if event.actor_id is None else name_of(event.actor, event.actor_id)

    @admin.display(description=_("session id"), ordering="session_id")
    def session(self, event: AuditEvent) -> str:
        """Return the 11 characters."""
        return "" if event.session_id is None else keys.encode_id(event.session_id)

    @admin.display(description=_("details"))
    def details(self, event: AuditEvent) -> str:
        """Return what else was written down."""
        return json.dumps(event.detail)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Events happen."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events have happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """``manage.py sessions purge`` removes what is old."""
        return False
