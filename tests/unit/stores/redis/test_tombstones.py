"""Sessions in Valkey that were ended stay ended, whatever a failover or a restored copy brings back."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import SessionLimit
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Tombstone
from sessionkeeper.stores import factory
from sessionkeeper.stores.database import cursors
from sessionkeeper.stores.redis import tombstones
from sessionkeeper.stores.redis.store import RedisStore
from tests.near_sides import sign_in
from tests.servers import valkey_groups
from tests.stores import KINDS, insert, redis_store
from tools import valkey

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def store(monkeypatch):
    """A store at a Valkey, which the site uses."""
    made = redis_store()
    monkeypatch.setattr(factory, "_open", lambda url: made)
    return made


@contextmanager
def brought_back(store, *session_ids):
    """Have these sessions again afterwards, as they were before."""
    server = store.client.connection
    names = [store._index.session(session_id) for session_id in session_ids]
    copies = [(name, server.dump(name)) for name in names]
    yield
    for name, copy in copies:
        assert not server.exists(name)
        server.restore(name, 0, copy)


ENDS = {
    "revoke": lambda store, key, user: store.revoke(key.id),
    "proven": lambda store, key, user: store.revoke(key.id, key.secret_hash),
    "all": lambda store, key, user: store.revoke_all(user.pk),
    "many": lambda store, key, user: store.revoke_many([key.id]),
    "limit": lambda store, key, user: insert(
        store, user_id=user.pk, authenticated=True, limit=SessionLimit(1)
    ),
}


@pytest.mark.rule("L06")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_was_ended_is_refused_when_an_old_copy_of_it_is_there(kind, end, user):
    store = redis_store(kind)
    key = insert(store, user_id=user.pk, authenticated=True)
    with brought_back(store, key.id):
        assert ENDS[end](store, key, user)
    assert key.id not in [record.id for record in store.scan(10)]
    assert key.id not in [record.id for record in store.list_for(user.pk)]
    assert store.find(key.id, principal=True) is None
    assert not store.client.connection.exists(store._index.session(key.id))


@pytest.mark.rule("L06")
@pytest.mark.parametrize("principal", [True, False])
def test_a_replica_that_missed_the_end_of_a_session_lets_nobody_in(user, principal):
    program = next(iter(valkey.programs().values()))
    with (
        valkey.private_server(program, *valkey_groups.PROMPT) as first,
        valkey.private_server(program, *valkey_groups.PROMPT) as second,
    ):
        master, replica = (redis.Redis.from_url(url) for url in (first, second))
        replica.replicaof("127.0.0.1", redis_url.parse(first).hosts[0][1])
        store = RedisStore(redis_url.parse(first))
        key, spared = (insert(store, user_id=user.pk) for _ in range(2))
        valkey_groups.until(
            lambda: replica.exists(store._index.session(spared.id)) == 1, "the replica has the sessions"
        )
        replica.replicaof("NO", "ONE")
        assert store.revoke(key.id)
        after = RedisStore(redis_url.parse(second))
        assert replica.exists(store._index.session(key.id))
        assert after.find(key.id, principal=principal) is None
        assert after.find(spared.id, principal=principal).record.id == spared.id
        assert not replica.exists(store._index.session(key.id))
        for client in (master, replica, store.client, after.client):
            client.close()


@pytest.mark.rule("L06")
@pytest.mark.parametrize("wanted", [True, False])
def test_a_request_with_the_key_of_a_session_that_was_signed_out_is_nobodys(store, user, wanted):
    key = sign_in(user)
    with brought_back(store, keys.parse(key).id):
        SessionStore(key).flush()
    session = SessionStore(key)
    session.principal_wanted = wanted
    assert session.get("_auth_user_id") is None
    assert session.session_key is None


def test_what_comes_back_is_ended_again_and_said_so(store, user, caplog):
    key = insert(store, user_id=user.pk)
    with brought_back(store, key.id):
        store.revoke(key.id)
    assert store.find(key.id) is None
    assert [record.message for record in caplog.records] == [
        f"Session {keys.encode_id(key.id)} was there again although it had ended."
    ]
    assert store.find(key.id) is None
    assert len(caplog.records) == 1


def test_a_visitors_session_needs_no_statement(store):
    key = insert(store)
    with CaptureQueriesContext(connection) as captured:
        store.find(key.id, principal=True)
        store.revoke(key.id)
    assert len(captured) == 0


def test_an_end_is_recorded_for_as_long_as_a_copy_could_live(store, user, settings):
    settings.SESSIONKEEPER = {"ABSOLUTE_TIMEOUT": timedelta(days=2)}
    short, long = (insert(store, user_id=user.pk, lifetime=timedelta(days=days)) for days in (1, 5))
    store.revoke_all(user.pk)
    now = datetime.now(UTC)
    until = {row.pk: row.until - now for row in Tombstone.objects.all()}
    assert {key: round(left / timedelta(days=1)) for key, left in until.items()} == {short.id: 2, long.id: 5}


def test_a_purge_removes_what_is_needed_no_more(store, user):
    old, new = (insert(store, user_id=user.pk) for _ in range(2))
    store.revoke_all(user.pk)
    for session_id in (1, 2, 3):
        tombstones.record([(session_id, datetime.now(UTC))])
    Tombstone.objects.exclude(pk=new.id).update(until=datetime(2026, 1, 1, tzinfo=UTC))
    assert list(registry.purge(2))
    assert [row.pk for row in Tombstone.objects.all()] == [new.id]
    assert tombstones.among([old.id, new.id]) == {new.id}


def test_an_end_that_is_recorded_twice_is_recorded_once():
    for _ in range(2):
        tombstones.record([(5, datetime.now(UTC))])
    assert [str(row) for row in Tombstone.objects.all()] == [keys.encode_id(5)]


def test_an_end_that_cannot_be_recorded_is_an_outage_and_the_session_is_over(store, user, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OperationalError

    key = insert(store, user_id=user.pk)
    monkeypatch.setattr("django.db.models.query.QuerySet.bulk_create", refuse)
    with pytest.raises(StoreUnavailable):
        store.revoke(key.id)
    assert store.find(key.id) is None


def test_a_database_that_does_not_answer_is_an_outage_of_the_store(store, user, monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError

    key = insert(store, user_id=user.pk)
    monkeypatch.setattr(cursors, "fetch_all", refuse)
    for principal in (True, False):
        with pytest.raises(StoreUnavailable):
            store.find(key.id, principal=principal)


def test_the_user_comes_with_the_question_whether_it_has_ended(store, user):
    key = insert(store, user_id=user.pk)
    store.find(key.id, principal=True)
    with CaptureQueriesContext(connection) as captured:
        found = store.find(key.id, principal=True)
    assert len(captured) == 1
    assert found.principal == user


def test_a_user_who_is_gone_is_nobody(store, user):
    key = insert(store, user_id=user.pk)
    type(user)._base_manager.filter(pk=user.pk)._raw_delete("default")
    assert store.find(key.id, principal=True).principal is None
    assert store.find(key.id).principal is None
