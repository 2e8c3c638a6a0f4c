"""The filters of the list of sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert
from tests.unit.admin.listed import LIST, id_of, listed, text

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.unit.admin.test_sessions")]


def test_filters_tell_signed_in_and_anonymous_transports_and_times_apart(boss, person):
    store, now = DatabaseStore(), timezone.now()
    mine = insert(store, user_id=person.pk).id
    nobodys = insert(store, transport="bearer").id
    idle = insert(store, idle_seconds=60).id
    Session.objects.filter(pk=idle).update(last_seen_at=now - timedelta(hours=2))
    endless = insert(store, idle_seconds=None).id
    Session.objects.filter(pk=endless).update(last_seen_at=now - timedelta(days=8))
    over = insert(store, idle_seconds=None, lifetime=now - timedelta(seconds=1)).id
    own = id_of(boss)
    everything = {own, mine, nobodys, idle, endless, over}
    assert listed(boss, signed_in="yes") == {own, mine}
    assert listed(boss, signed_in="no") == everything - {own, mine}
    assert listed(boss, transport="bearer") == {nobodys}
    assert listed(boss, transport="cookie") == everything - {nobodys}
    assert listed(boss, state="expired") == {idle, over}
    assert listed(boss, state="live") == everything - {idle, over}
    assert listed(boss, seen="hour") == everything - {idle, endless}
    assert listed(boss, seen="day") == everything - {endless}
    assert listed(boss, seen="week") == everything - {endless}
    assert listed(boss, seen="longer") == {endless}
    assert listed(boss, seen="x", state="x", signed_in="x") == everything
    assert listed(boss, _facets="True") == everything


def test_an_action_over_all_pages_ends_what_the_filter_selects(boss, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 3)
    ids = [insert(DatabaseStore()).id for _ in range(120)]
    response = boss.post(
        f"{LIST}?signed_in=no",
        {"action": "delete_selected", "_selected_action": ids[0], "select_across": "1"},
        follow=True,
    )
    assert "120 sessions were ended." in text(response)
    assert listed(boss) == {id_of(boss)}
