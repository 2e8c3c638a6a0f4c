"""How sessions in Valkey end."""

from __future__ import annotations

import pytest

from sessionkeeper.core import context
from sessionkeeper.stores.redis import serialization
from tests.stores import insert, redis_store
from tests.unit.stores.hashes import signed_in, without_session

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_a_session_that_is_just_ending_takes_no_other_with_it(user, monkeypatch):
    store = redis_store("cluster")
    others = [insert(store, user_id=user) for _ in range(2)]
    ending = without_session(store, user)
    waits = []

    def wait(seconds):
        if len(waits) == 3:  # whoever ends it comes to the entry
            store._index.drop_ended([(ending.id, serialization.user_text(user))])
        waits.append(seconds)

    monkeypatch.setattr(context, "sleep", wait)
    assert signed_in(store, user) == 0
    assert len(waits) == 4
    assert {record.id for record in store.list_for(user)} > {key.id for key in others}
