"""The JSON of a session is written in one place, and its schema describes that."""

from __future__ import annotations

import json

import pytest

from sessionkeeper.api.openapi import schemas
from sessionkeeper.api.serializers import session_json
from sessionkeeper.core import moments
from sessionkeeper.engine import users
from sessionkeeper.engine.history import EndedSession
from sessionkeeper.management import formatting
from sessionkeeper.stores.factory import get_store
from tests.stores import insert

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def record(make_user):
    """A session of somebody."""
    store = get_store()
    key = insert(store, user_id=make_user().pk, authenticated=True, amr="pwd", label="kitchen laptop")
    return store.find(key.id).record


def test_the_schema_of_a_session_has_the_members_of_one(record):
    assert list(session_json(record, current_id=record.id)) == list(schemas.Session().fields)


def test_the_schema_of_an_ended_session_has_the_members_of_one():
    ended = EndedSession(1, "sign_in", moments.now(), None, "expired", "", None, "")
    assert list(ended.as_dict()) == list(schemas.EndedSession().fields)


def test_the_schema_of_a_user_has_the_members_of_one(make_user):
    told = users.as_dict(make_user())
    assert list(told) == list(schemas.User().fields)
    json.dumps(told)


def test_the_command_tells_of_a_session_what_the_api_does_and_more(record):
    by_api, by_command = (
        session_json(record, current_id=None),
        formatting.as_dict(record, "alice", moments.now()),
    )
    both = by_api.keys() - {"current", "device"}
    assert by_command.keys() - both == {"state", "user", "data_keys"}
    assert {name: by_command[name] for name in both} == {name: by_api[name] for name in both}
    assert json.loads(json.dumps(by_command))["user"] == {
        "id": users.key_as_json(record.user_id),
        "username": "alice",
    }
