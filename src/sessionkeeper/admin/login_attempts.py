"""Counts of failed sign-ins in Django's admin: find an account or a source that is locked, and unlock it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from sessionkeeper.auth import attempts, lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.engine.users import name_of, of_users_named, users
from sessionkeeper.models import LoginAttempt

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[LoginAttempt]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(LoginAttempt)
class LoginAttemptAdmin(_ModelAdmin):
    """A list of counts, those with the longest wait first."""

    list_display = ("kind", "user_name", "source", "failures", "waits_until", "last_tried")
    list_display_links = None
    list_filter = ()
    search_fields = ("key",)  # what is searched is in get_search_results
    search_help_text = _("A name as people type it to sign in, or a network")
    ordering = ("-until", "key")
    show_full_result_count = False
    actions = ("unlock",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoginAttempt]:
        """Read where the counts are written."""
        rows = namespaces.rows(attempts.rows()).filter(failures__gt=0).exclude(kind=attempts.RESET)
        return rows.prefetch_related(Prefetch("user", queryset=users())).order_by(*self.ordering)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LoginAttempt], search_term: str
    ) -> tuple[QuerySet[LoginAttempt], bool]:
        """Find by a name, of which only a digest is kept, by the user who has it, or by network."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = Q(pk=lockout.key_of(term)) | Q(source__startswith=term) | of_users_named(term, queryset)
        return queryset.filter(wanted), False

    @admin.display(description=_("user"))
    def user_name(self, row: LoginAttempt) -> str:
        """Return the user whose account it is, where there is one."""
        return "" if row.user_id is None else name_of(row.user, row.user_id)

    @admin.display(description=_("waits until"))
    def waits_until(self, row: LoginAttempt) -> str:
        """Return when the next try is looked at; nothing where that is now."""
        now = attempts.now()
        wait = attempts.wait(row.until, row.kind, now)
        return _moment(now + 1000 * wait) if wait else ""

    @admin.display(description=_("last tried"))
    def last_tried(self, row: LoginAttempt) -> str:
        """Return the time of the last try."""
        return _moment(row.at)

    @admin.action(permissions=["change"], description=_("Let the selected ones try again"))
    def unlock(self, request: HttpRequest, queryset: QuerySet[LoginAttempt]) -> None:
        """Reset the counts."""
        rows = list(queryset)
        number = lockout.unlock_rows(rows, actor=request.user)
        text = ngettext("%(count)d count was reset.", "%(count)d counts were reset.", number)
        self.message_user(request, text % {"count": number}, messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Counts are made by failing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """``manage.py sessions purge`` removes those without effect."""
        return False


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return str(formats.localize(timezone.localtime(moment)))
