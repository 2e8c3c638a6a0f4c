"""What a read sees, and what waits for the end of a transaction."""

from __future__ import annotations

import pytest
from django.db import transaction

from sessionkeeper.stores.database import transactions
from tests.stores import is_postgresql


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_a_read_sees_what_was_committed():
    assert transactions.reads_committed("default")
    assert not transactions.is_open("default")


@pytest.mark.django_db(transaction=True)
def test_in_a_transaction_that_depends_on_the_database():
    with transaction.atomic():
        assert transactions.is_open("default")
        assert transactions.reads_committed("default") is is_postgresql()


@pytest.mark.django_db(transaction=True)
def test_what_is_to_happen_after_a_commit_happens_then_or_now():
    done = []
    transactions.after_commit("default", lambda: done.append("at once"))
    with transaction.atomic():
        transactions.after_commit("default", lambda: done.append("committed"))
        assert done == ["at once"]
    assert done == ["at once", "committed"]


@pytest.mark.django_db(transaction=True)
def test_what_was_to_happen_after_a_commit_does_not_happen_where_it_is_undone():
    done = []
    with transaction.atomic():
        transactions.after_commit("default", lambda: done.append("committed"))
        transaction.set_rollback(True)
    assert done == []
