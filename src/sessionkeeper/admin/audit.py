"""The audit trail in Django's admin: view and search. Nothing can be added, changed or deleted."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionkeeper.admin.base import RecordAdmin
from sessionkeeper.admin.filters import Filter
from sessionkeeper.audit import events, trail
from sessionkeeper.core import keys
from sessionkeeper.engine.users import name_of, of_users_named, users
from sessionkeeper.models import AuditEvent


class KindFilter(Filter):
    """Filters events by kind."""

    title = _("event")
    parameter_name = "kind"
    values = [(kind.value, kind.value.replace("_", " ")) for kind in events.Kind]


@admin.register(AuditEvent)
class AuditEventAdmin(RecordAdmin):
    """A list of events, newest first."""

    list_display = ("at", "kind", "user_name", "session", "reason", "by", "ip_address", "user_agent")
    list_filter = (KindFilter,)
    search_help_text = _("User name, e-mail address, or the 11 characters of a session id")
    ordering = ("-id",)
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
        """Return the events of the active namespace; the users of a page cost two more queries."""
        rows = trail.rows()
        people = [Prefetch(name, queryset=users()) for name in ("user", "actor")]
        return rows.prefetch_related(*people).order_by(*self.ordering)

    def matching(self, term: str, rows: QuerySet[Any]) -> Q:
        """Find events by the user's name or e-mail address, or by session id."""
        wanted, number = of_users_named(term, rows), keys.parse_id(term)
        return wanted if number is None else wanted | Q(session_id=number)

    @admin.display(description=_("user"))
    def user_name(self, event: AuditEvent) -> str:
        """Return the name of the user whom the event is about."""
        return "" if event.user_id is None else name_of(event.user, event.user_id)

    @admin.display(description=_("by"))
    def by(self, event: AuditEvent) -> str:
        """Return the name of the user who caused the event."""
        return "" if event.actor_id is None else name_of(event.actor, event.actor_id)

    @admin.display(description=_("session id"), ordering="session_id")
    def session(self, event: AuditEvent) -> str:
        """Return the session id, 11 characters."""
        return "" if event.session_id is None else keys.encode_id(event.session_id)

    @admin.display(description=_("details"))
    def details(self, event: AuditEvent) -> str:
        """Return the further facts of the event, as JSON."""
        return json.dumps(event.detail)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only ``manage.py sessions purge`` deletes events."""
        return False
