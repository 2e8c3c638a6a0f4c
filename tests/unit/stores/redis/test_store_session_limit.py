"""A limit on a user's sessions in Valkey, while others sign in and out."""

from __future__ import annotations

import threading

import pytest

from sessionkeeper.core.errors import TooManySessions
from sessionkeeper.core.records import SessionLimit
from sessionkeeper.stores.redis import tombstones
from tests.stores import insert, redis_store
from tests.unit.stores.hashes import new_session, signed_in, without_session

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_fifty_sign_ins_at_once_keep_to_the_limit(kind, action, user, monkeypatch):
    # Fifty connections would wait for the test's own transaction.
    monkeypatch.setattr(tombstones, "record", lambda ended: None)
    monkeypatch.setattr(tombstones, "among", lambda session_ids: set())
    store, barrier, outcomes = redis_store(kind), threading.Barrier(50), []
    limit = SessionLimit(3, end_oldest=action == "end_oldest")

    def sign_in():
        barrier.wait(30)
        try:
            store.insert(new_session(user, limit))
            outcomes.append("in")
        except TooManySessions:
            outcomes.append("refused")
        except Exception as error:  # noqa: BLE001 - the test must know
            outcomes.append(repr(error))

    threads = [threading.Thread(target=sign_in) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.list_for(user)) == 3
    expected = {"in": 50} if action == "end_oldest" else {"in": 3, "refused": 47}
    assert {name: outcomes.count(name) for name in set(outcomes)} == expected


def test_who_stays_on_the_way_counts_as_there(user, monkeypatch):
    store = redis_store("cluster")
    oldest, _ = (insert(store, user_id=user) for _ in range(2))
    without_session(store, user)
    monkeypatch.setattr("sessionkeeper.stores.redis.store.SETTLE_SECONDS", 0.05)
    assert signed_in(store, user) == 1
    assert oldest.id not in {record.id for record in store.list_for(user)}
