"""Session and user in one statement, the same as the ORM reads them."""

from __future__ import annotations

import pytest
from django.db import connection

from sessionkeeper.core import keys
from sessionkeeper.stores.database import orm, statements
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert, is_postgresql

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def read(key, *, principal):
    return statements.read(connection, key.id, principal=principal, server_clock=is_postgresql())


def test_the_session_is_that_which_the_orm_reads(make_user):
    key = insert(DatabaseStore(), user_id=make_user().pk, data='{"a": [1, "ä"]}', amr="pwd")
    through_orm = orm.find(connection, key.id, principal=False, server_clock=is_postgresql())
    assert read(key, principal=False).record == through_orm.record


def test_the_user_comes_along_where_it_is_asked_for(make_user, django_assert_num_queries):
    user = make_user()
    key = insert(DatabaseStore(), user_id=user.pk)
    with django_assert_num_queries(1):
        found = read(key, principal=True)
    assert found.principal == user
    assert found.principal.password == user.password
    assert read(key, principal=False).principal is None


def test_a_session_of_nobody_has_no_user(make_user):
    assert read(insert(DatabaseStore()), principal=True).principal is None


def test_what_is_not_there_is_none():
    assert read(keys.mint(), principal=True) is None
