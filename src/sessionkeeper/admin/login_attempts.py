"""Counts of failed sign-ins in Django's admin: find and unlock an account or a network of clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from sessionkeeper.admin.base import RecordAdmin
from sessionkeeper.auth import attempts, lockout, unlocking
from sessionkeeper.conf import namespaces
from sessionkeeper.engine.users import name_of, of_users_named, users
from sessionkeeper.models import LoginAttempt


@admin.register(LoginAttempt)
class LoginAttemptAdmin(RecordAdmin):
    """A list of counts, those with the longest wait first. They are reset by an action, and never edited."""

    list_display = ("kind", "user_name", "source", "failures", "waits_until", "last_tried")
    list_display_links = None
    search_help_text = _("A name as people type it to sign in, or a network")
    ordering = ("-until", "key")
    actions = ("unlock",)
    fields = readonly_fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoginAttempt]:
        """Return the counts of the active namespace, except those of password resets."""
        rows = namespaces.rows(attempts.rows()).filter(failures__gt=0).exclude(kind=attempts.RESET)
        return rows.prefetch_related(Prefetch("user", queryset=users())).order_by(*self.ordering)

    def matching(self, term: str, rows: QuerySet[Any]) -> Q:
        """Find counts by the typed name, of which only a digest is stored, by user, or by network."""
        return Q(pk__in=lockout.keys_of(term)) | Q(source__startswith=term) | of_users_named(term, rows)

    @admin.display(description=_("user"))
    def user_name(self, row: LoginAttempt) -> str:
        """Return the name of the user whose account it is; empty if there is none."""
        return "" if row.user_id is None else name_of(row.user, row.user_id)

    @admin.display(description=_("waits until"))
    def waits_until(self, row: LoginAttempt) -> str:
        """Return when the next attempt is allowed; empty if it is allowed now."""
        now = attempts.now()
        wait = attempts.wait(row.until, row.kind, now)
        return _moment(now + 1000 * wait) if wait else ""

    @admin.display(description=_("last tried"))
    def last_tried(self, row: LoginAttempt) -> str:
        """Return the time of the last attempt."""
        return _moment(row.at)

    @admin.action(permissions=["change"], description=_("Let the selected ones try again"))
    def unlock(self, request: HttpRequest, queryset: QuerySet[LoginAttempt]) -> None:
        """Reset the counts."""
        number = unlocking.unlock_rows(queryset.iterator(attempts.BATCH), actor=request.user)
        text = ngettext("%(count)d count was reset.", "%(count)d counts were reset.", number)
        self.message_user(request, text % {"count": number}, messages.SUCCESS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may reset counts. No single one can be edited."""
        return obj is None and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: ``manage.py sessions purge`` deletes counts that have no effect any more."""
        return False


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return str(formats.localize(timezone.localtime(moment)))
