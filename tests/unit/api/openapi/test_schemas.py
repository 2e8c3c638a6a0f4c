"""The shapes of answers fit what is answered."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from sessionkeeper.api.openapi import schemas
from sessionkeeper.api.views.base import session_json
from sessionkeeper.core import moments
from sessionkeeper.engine import users
from sessionkeeper.engine.history import EndedSession
from sessionkeeper.management import formatting
from sessionkeeper.stores.codec import json_key
from sessionkeeper.stores.factory import get_store
from tests.stores import insert
from tests.unit.api.openapi.generated import PROBLEM, media_types

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def test_every_answer_has_an_example_and_each_example_fits(schema):
    for media_type, content in media_types(schema):
        if media_type in {"application/json", PROBLEM}:
            assert content["examples"]
        whole = {**content["schema"], "components": schema["components"]}
        for example in content.get("examples", {}).values():
            Draft202012Validator(whole).validate(example["value"])


@pytest.fixture
def record(make_user):
    """A session of somebody."""
    store = get_store()
    key = insert(store, user_id=make_user().pk, authenticated=True, amr="pwd", label="kitchen laptop")
    return store.find(key.id).record


@pytest.mark.any_user
def test_the_schema_of_a_session_has_the_members_of_one(record):
    assert list(session_json(record, current_id=record.id)) == list(schemas.Session().fields)


@pytest.mark.any_user
def test_the_schema_of_an_ended_session_has_the_members_of_one():
    ended = EndedSession(1, "sign_in", moments.now(), None, "expired", "", None, "")
    assert list(ended.as_dict()) == list(schemas.EndedSession().fields)


@pytest.mark.any_user
def test_the_schema_of_a_user_has_the_members_of_one(make_user):
    told = users.as_dict(make_user())
    assert list(told) == list(schemas.User().fields)
    json.dumps(told)


@pytest.mark.any_user
def test_the_command_tells_of_a_session_what_the_api_does_and_more(record):
    by_api, by_command = (
        session_json(record, current_id=None),
        formatting.as_dict(record, "alice", moments.now()),
    )
    both = by_api.keys() - {"current", "device"}
    assert by_command.keys() - both == {"state", "user", "data_keys"}
    assert {name: by_command[name] for name in both} == {name: by_api[name] for name in both}
    assert json.loads(json.dumps(by_command))["user"] == {
        "id": json_key(record.user_id),
        "username": "alice",
    }
