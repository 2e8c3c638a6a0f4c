"""Sessions as the ORM reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, connections

from sessionkeeper.core import keys
from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.models import Session
from sessionkeeper.stores.database import orm
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import Clock, insert, sqlite_file

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_records_are_what_was_stored(make_user):
    user = make_user()
    key = insert(DatabaseStore(), user_id=user.pk, data='{"a": 1}', label="my phone")
    [record] = orm.records(Session.objects.all())
    assert (record.id, record.secret_hash, record.user_id) == (key.id, key.secret_hash, user.pk)
    assert (record.data, record.label) == ('{"a": 1}', "my phone")
    assert record.created_at.tzinfo is not None


def test_one_is_found_with_the_time_of_its_reading():
    key = insert(DatabaseStore())
    found = orm.find(connection, key.id, principal=False, server_clock=False)
    assert found.record.id == key.id
    assert found.record.created_at <= found.now
    assert orm.find(connection, keys.mint().id, principal=False, server_clock=False) is None


@pytest.mark.usefixtures("any_database")
def test_a_column_that_holds_no_time_is_corrupt(tmp_path):
    with sqlite_file("file", tmp_path / "sessions.sqlite3"):  # which takes any text for a time
        key = insert(DatabaseStore("file"))
        with connections["file"].cursor() as cursor:
            cursor.execute("UPDATE sessionkeeper_session SET expires_at = 'never' WHERE id = %s", [key.id])
        with pytest.raises(CorruptPayload):
            orm.find(connections["file"], key.id, principal=False, server_clock=False)


TICK = timedelta(microseconds=1)


@pytest.mark.parametrize("seen", [0, 1, 999_999])
@pytest.mark.parametrize("idle", [-3600, 0, 1, 59, 86_400, 31_536_000])  # set_expiry takes any number
@pytest.mark.parametrize(("late", "is_over"), [(-TICK, False), (timedelta(0), True), (TICK, True)])
def test_an_idle_timeout_ends_to_the_microsecond(seen, idle, late, is_over):
    clock = Clock()
    clock.move(microseconds=seen)
    insert(DatabaseStore(clock=clock), idle_seconds=idle, lifetime=timedelta(days=3650))
    now = clock.now + timedelta(seconds=idle) + late
    assert orm.expired(Session.objects.all(), now).exists() is is_over
    assert orm.live(Session.objects.all(), now).exists() is not is_over


def test_without_an_idle_timeout_only_the_end_counts():
    clock = Clock()
    insert(DatabaseStore(clock=clock), idle_seconds=None, lifetime=timedelta(days=1))
    assert orm.live(Session.objects.all(), clock.now + timedelta(hours=23)).exists()
    assert orm.expired(Session.objects.all(), clock.now + timedelta(days=1)).exists()
