"""Rows go in one statement, and nobody is told of it."""

from __future__ import annotations

import pytest
from django.db.models.signals import post_delete

from sessionkeeper.models import Session
from sessionkeeper.stores.database import shortcut, writes
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def listener():
    """Somebody who listens to all deletions, for whom Django would read the rows first."""
    heard = []

    def listen(sender, instance, **_):
        heard.append(instance)

    post_delete.connect(listen)
    yield heard
    post_delete.disconnect(listen)


def test_the_rows_of_a_query_go_in_one_statement_whoever_listens(listener, django_assert_num_queries):
    keys = [insert(DatabaseStore()) for _ in range(3)]
    with django_assert_num_queries(1):
        assert writes.delete(Session.objects.filter(pk__in=[key.id for key in keys[:2]])) == 2
    assert [session.pk for session in Session.objects.all()] == [keys[2].id]
    assert listener == []


def test_where_django_has_no_such_statement_they_go_under_a_lock():
    key = insert(DatabaseStore())
    shortcut.turn_off(AttributeError("_raw_delete"))
    try:
        assert writes.delete(Session.objects.filter(pk=key.id)) == 1
    finally:
        shortcut.turn_on()
    assert not Session.objects.exists()
