"""The admin's list of sessions that are not in a table, read through the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from sessionkeeper import conf
from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys, moments
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine import registry
from sessionkeeper.engine.users import users, users_named
from sessionkeeper.models import Session
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_store

#: The newest sessions, which the list shows without a search.
SHOWN = 100
#: Users whose sessions a search shows.
MOST_USERS = 50
_TIMES = ("created_at", "authenticated_at", "last_seen_at", "expires_at")
_FACTS = ("id", "user_id", "transport", "idle_seconds", "ip_address", "user_agent", "label", "amr")


def is_elsewhere() -> bool:
    """Whether the sessions are in Valkey or Redis instead of the table."""
    return redis_url.is_redis(conf.current().store)


class StoreList(ChangeList):
    """The newest sessions, or those that a search finds by session id or user."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the sessions from the store, for a list of one page."""
        found: Any = search(self.query) if self.query else rows(get_store().scan(SHOWN))
        self.result_list = found
        self.result_count = self.full_result_count = len(found)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(found)
        self.paginator = self.model_admin.get_paginator(request, found, max(len(found), 1))


class Selected(list[Session]):
    """Sessions from the store, with the methods of a queryset that the admin's actions need."""

    def filter(self, pk__in: Collection[str]) -> Selected:
        """Return the sessions with these ids, read again."""
        numbers = [int(pk) for pk in pk__in if str(pk).isdecimal() and int(pk) <= keys.MAX_ID]
        return Selected(rows(get_store().find_many(numbers)))

    def ids(self) -> Iterable[tuple[int, Any]]:
        """Return pairs of session id and user key."""
        return [(one.pk, one.user_id) for one in self]


def search(term: str) -> list[Session]:
    """Return the sessions with this id, or the newest ones of users with this name or e-mail address."""
    found = session(keys.parse_id(term.strip()))
    records: list[SessionRecord] = []
    for pk in users_named(term.strip()).values_list("pk", flat=True)[:MOST_USERS]:
        records += registry.records_of(pk, SHOWN - len(records))
        if len(records) >= SHOWN:
            break
    return ([] if found is None else [found]) + rows(records)


def session(pk: Any) -> Session | None:
    """Return the session with this number, or None."""
    if pk is None or not str(pk).isdecimal() or int(pk) > keys.MAX_ID:
        return None
    try:
        found = get_store().find(int(pk))
    except CorruptPayload:
        return None
    return None if found is None else rows([found.record])[0]


def rows(records: list[SessionRecord]) -> list[Session]:
    """Return records as model instances; their users cost one query."""
    people = users().in_bulk({record.user_id for record in records if record.user_id is not None})
    return [_row(record, people.get(record.user_id)) for record in records]


def _row(record: SessionRecord, user: Any) -> Session:
    given = {name: getattr(record, name) for name in _TIMES}
    times = {name: time and moments.native(time) for name, time in given.items()}
    try:
        data = codec.decode(record.data)
    except CorruptPayload:
        data = {}
    row = Session(**{name: getattr(record, name) for name in _FACTS}, **times, data=data)
    Session._meta.get_field("user").set_cached_value(row, user)
    return row
