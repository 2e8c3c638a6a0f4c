"""Sessions in Django's admin: view, search and end. No secret is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from sessionkeeper.admin import store_changelist
from sessionkeeper.admin.base import RecordAdmin
from sessionkeeper.admin.filters import LastSeenFilter, LiveFilter, SignedInFilter, TransportFilter
from sessionkeeper.admin.login import install
from sessionkeeper.admin.store_changelist import is_elsewhere
from sessionkeeper.conf import namespaces
from sessionkeeper.core import keys, moments, records
from sessionkeeper.engine import registry
from sessionkeeper.engine.users import name_of, of_users_named, users
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_store

_AGENT_LENGTH = 60
_HIDDEN = ("secret_hash", "family_hash", "previous_hash")

install()


@admin.register(Session)
class SessionAdmin(RecordAdmin):
    """A list of sessions. Deleting a session ends it."""

    list_display = (
        "session_id",
        "user_name",
        "transport",
        "created_at",
        "last_seen_at",
        "ends_at",
        "live",
        "ip_address",
        "short_user_agent",
    )
    list_filter = (SignedInFilter, LiveFilter, LastSeenFilter, TransportFilter)
    search_help_text = _("User name, e-mail address, or the 11 characters of a session id")
    ordering = ("-id",)
    actions = ("delete_selected", "end_sessions_of_users")
    fields = readonly_fields = (
        "session_id",
        "user_name",
        "transport",
        "created_at",
        "authenticated_at",
        "last_seen_at",
        "idle_timeout",
        "expires_at",
        "ends_at",
        "live",
        "ip_address",
        "user_agent",
        "label",
        "amr",
        "data_keys",
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Tell the user if the list is incomplete, because the sessions are not in a table."""
        if is_elsewhere() and request.method == "GET":
            text = _("Sessions are in Valkey or Redis. Without a search this list has the newest %(count)d.")
            self.message_user(request, text % {"count": store_changelist.SHOWN}, messages.INFO)
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the class of the list."""
        return store_changelist.StoreList if is_elsewhere() else super().get_changelist(request, **kwargs)

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the filters, which work only with a table."""
        return () if is_elsewhere() else super().get_list_filter(request)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns by which the list can be sorted."""
        return () if is_elsewhere() else super().get_sortable_by(request)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Session | None:
        """Return a session, or None."""
        if is_elsewhere():
            return store_changelist.session(object_id)
        return super().get_object(request, object_id, from_field)

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **options: Any) -> Any:
        """Run the chosen action on the selected sessions."""
        selected: Any = store_changelist.Selected() if is_elsewhere() else queryset
        return super().response_action(request, selected, *args, **options)

    # Rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Return the sessions of the active namespace; the users of a page cost one more query."""
        rows = namespaces.rows(Session._base_manager.using(get_store().alias))
        if is_elsewhere():
            rows = rows.none()  # StoreList has them
        owners = Prefetch("user", queryset=users())
        return rows.defer(*_HIDDEN, "data").prefetch_related(owners).order_by(*self.ordering)

    def matching(self, term: str, rows: QuerySet[Any]) -> Q:
        """Find sessions by the user's name or e-mail address, or by session id."""
        return of_users_named(term, rows) | Q(pk=keys.parse_id(term))

    # Columns

    @admin.display(description=_("session id"), ordering="id")
    def session_id(self, session: Session) -> str:
        """Return the session id, 11 characters."""
        return str(session)

    @admin.display(description=_("user"))
    def user_name(self, session: Session) -> Any:
        """Return the user's name, or a text in parentheses if there is no such user."""
        return _("(anonymous)") if session.user_id is None else name_of(session.user, session.user_id)

    @admin.display(description=_("ends at"))
    def ends_at(self, session: Session) -> str:
        """Return when the session ends if it is not used again."""
        return str(formats.localize(timezone.localtime(_end_of(session))))

    @admin.display(description=_("live"), boolean=True)
    def live(self, session: Session) -> bool:
        """Return whether the session has not expired."""
        return _end_of(session) > moments.now()

    @admin.display(description=_("user agent"), ordering="user_agent")
    def short_user_agent(self, session: Session) -> str:
        """Return the user agent, truncated to the column."""
        text = session.user_agent
        return text if len(text) <= _AGENT_LENGTH else text[: _AGENT_LENGTH - 1] + "…"

    @admin.display(description=_("idle timeout"))
    def idle_timeout(self, session: Session) -> Any:
        """Return the idle timeout."""
        return _("(none)") if session.idle_seconds is None else timedelta(seconds=session.idle_seconds)

    @admin.display(description=_("names in the data"))
    def data_keys(self, session: Session) -> str:
        """Return the names in the session's data, without the values."""
        return ", ".join(sorted(session.data)) if isinstance(session.data, dict) else ""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    # Ending

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        """End the session."""
        registry.revoke(obj.pk, reason="admin", actor=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End the sessions."""
        self._end(request, _ids(queryset))

    @admin.action(permissions=["delete"], description=_("End selected sessions"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End the selected sessions. Replaces Django's action of this name."""
        self._report(request, self._end(request, _ids(queryset)))

    @admin.action(permissions=["delete"], description=_("End all sessions of the selected users"))
    def end_sessions_of_users(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End all sessions of the users whose sessions are selected."""
        signed_in = _users_of(queryset)
        if not signed_in:
            self.message_user(request, _("Nobody is signed in in these sessions."), messages.WARNING)
            return
        # One by one, to log each in the admin; then by user, to end those that began meanwhile.
        ended = sum(self._end(request, ((one.id, user) for one in registry.walk(user))) for user in signed_in)
        rest = (registry.revoke_all(user, reason="admin", actor=request.user) for user in signed_in)
        self._report(request, ended + sum(rest))

    def _end(self, request: HttpRequest, session_ids: Iterable[tuple[int, Any]]) -> int:
        """End sessions in batches, log them in the admin, and return how many ended."""
        ids, ended = iter(session_ids), 0
        while batch := list(islice(ids, registry.BATCH)):
            rows: Any = [Session(pk=session_id) for session_id, _ in batch]  # the log needs only the id
            self.log_deletions(request, rows)
            ended += registry.revoke_many(
                (session_id for session_id, _ in batch), reason="admin", actor=request.user
            )
        return ended

    def _report(self, request: HttpRequest, ended: int) -> None:
        text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", ended)
        self.message_user(request, text % {"count": ended}, messages.SUCCESS)


def _end_of(session: Session) -> datetime:
    seen_at, expires_at = moments.aware(session.last_seen_at), moments.aware(session.expires_at)
    return records.end_of(seen_at, expires_at, session.idle_seconds)


def _ids(queryset: Any) -> Iterable[tuple[int, Any]]:
    if isinstance(queryset, store_changelist.Selected):
        return queryset.ids()
    pairs = queryset.prefetch_related(None).values_list("pk", "user_id")
    return pairs.iterator(registry.BATCH)  # type: ignore[no-any-return]


def _users_of(queryset: Any) -> set[Any]:
    if isinstance(queryset, store_changelist.Selected):
        return {user_id for _, user_id in queryset.ids() if user_id is not None}
    signed_in = queryset.order_by().filter(user__isnull=False)
    return set(signed_in.values_list("user_id", flat=True).distinct())
