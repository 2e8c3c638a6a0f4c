"""One user's sign-ins come one after the other."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sessionkeeper.stores.database import transactions

pytestmark = [pytest.mark.any_user, pytest.mark.django_db(transaction=True)]


def test_the_lock_is_held_as_long_as_its_transaction(make_user):
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        transactions.alone("default", make_user().pk),
    ):
        assert connection.in_atomic_block
    said = " ".join(query["sql"] for query in queries)
    assert "pg_advisory_xact_lock" in said or "UPDATE" in said
    assert not connection.in_atomic_block


def test_in_a_transaction_it_is_held_until_that_ends(make_user):
    with transaction.atomic():
        with transactions.alone("default", make_user().pk):
            pass
        assert connection.in_atomic_block
