"""A session returns to what it was before a change that a rollback undid."""

from __future__ import annotations

import pytest
from django.db import transaction

from sessionkeeper.core.records import SessionPatch
from sessionkeeper.engine import session_data
from sessionkeeper.engine.session_store import SessionStore

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db(transaction=True),
    pytest.mark.database_store_only("a rollback undoes nothing in Valkey"),
]


@pytest.fixture
def session():
    """A stored session."""
    session = SessionStore()
    session["kept"] = 1
    session.save()
    return SessionStore(session.session_key)


def roll_back(*actions):
    """Do these things in a transaction that is rolled back."""
    with transaction.atomic():
        for action in actions:
            action()
        transaction.set_rollback(True)


def test_the_key_is_that_of_before_and_the_data_are_unsaved_again(session):
    key = session.session_key
    roll_back(session.cycle_key, lambda: session.update({"new": 2}), session.save)
    assert session.session_key == key
    assert session.modified
    session.save()
    assert SessionStore(key).load() == {"kept": 1, "new": 2}


def test_after_a_commit_nothing_is_kept(session):
    with transaction.atomic():
        session.cycle_key()
        assert session.checkpoints
    assert not session.checkpoints
    assert SessionStore(session.session_key).load() == {"kept": 1}


def test_only_the_savepoint_that_was_rolled_back_is_undone(session):
    with transaction.atomic():
        session.cycle_key()
        key = session.session_key
        roll_back(session.cycle_key)
        assert session.session_key == key
    assert SessionStore(key).load() == {"kept": 1}


@pytest.mark.parametrize(
    ("unsaved", "expected"),
    [
        (SessionPatch('{"b": 2}'), {"a": 1, "b": 2}),
        (SessionPatch('{"b": 2}', ("a",)), {"b": 2}),
        (SessionPatch('{"b": 2}', replace=True), {"b": 2}),
    ],
)
def test_what_is_unsaved_is_added_to_what_is_stored(unsaved, expected):
    assert session_data.add_unsaved({"a": 1}, unsaved) == expected
