"""Values and expressions as the database store writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessionkeeper.core import keys
from sessionkeeper.core.records import NewSession
from sessionkeeper.models import Session
from sessionkeeper.stores.database import expressions, writes

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_a_lifetime_is_a_duration_from_now_or_a_moment():
    assert expressions.moment(timedelta(hours=1), NOW) == NOW + timedelta(hours=1)
    assert expressions.moment(NOW, NOW + timedelta(days=9)) == NOW


def test_a_row_has_all_that_a_new_session_says():
    key = keys.mint()
    new = NewSession(
        key.id, key.secret_hash, key.family_hash, lifetime=timedelta(days=1), idle_seconds=60, label="phone"
    )
    row = expressions.row(new, NOW, "default")
    assert (row.id, row.secret_hash, row.family_hash) == (key.id, key.secret_hash, key.family_hash)
    assert (row.created_at, row.last_seen_at, row.expires_at) == (NOW, NOW, NOW + timedelta(days=1))
    assert (row.idle_seconds, row.label, row.user_id) == (60, "phone", None)


def test_a_new_row_is_one_insert(django_assert_num_queries):
    key = keys.mint()
    new = NewSession(key.id, key.secret_hash, key.family_hash, lifetime=timedelta(days=1), idle_seconds=60)
    with django_assert_num_queries(1):
        writes.insert(expressions.row(new, NOW, "default"), "default")
    assert Session.objects.filter(pk=key.id).exists()
