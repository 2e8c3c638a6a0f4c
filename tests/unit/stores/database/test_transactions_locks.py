"""One user's sign-ins come one after the other."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from sessionkeeper.models import Session
from sessionkeeper.stores.database import transactions
from tests.stores import sqlite_file

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


def test_on_sqlite_nobody_else_writes_between_a_read_and_a_write(tmp_path, any_database):
    errors = []

    def write(alias):
        try:
            Session.objects.using(alias).filter(pk=7).update(version=1)
        except OperationalError as error:
            errors.append(str(error))
        finally:
            connections[alias].close()

    with sqlite_file("file", tmp_path / "file", timeout=0), transaction.atomic(using="file"):
        transactions.lock_writes("file")
        assert get_user_model().objects.using("file").count() == 0
        other = threading.Thread(target=write, args=["file"])
        other.start()
        other.join()
        assert Session.objects.using("file").filter(pk=7).update(version=2) == 0
    assert errors == ["database is locked"]
