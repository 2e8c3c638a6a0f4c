"""Every store keeps the sessions of a namespace to it, and so does what is remembered of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessionkeeper.conf import namespaces
from sessionkeeper.conf.namespaces import namespace
from sessionkeeper.core import keys
from sessionkeeper.core.errors import SessionGone
from sessionkeeper.core.records import NewSession, SessionLimit, SessionPatch
from sessionkeeper.engine import registry
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.redis import key_prefix, tombstones
from sessionkeeper.stores.redis.key_prefix import mark_key
from tests.stores import STORES, Channel, insert, near

pytestmark = [pytest.mark.django_db, pytest.mark.rule("R61")]


@pytest.fixture(params=STORES)
def store(request):
    """Every store that there is."""
    return STORES[request.param]()


@pytest.fixture
def both(store, make_user):
    """A key of the same user's number in ``a`` and in ``b``."""
    user = make_user()
    made = {}
    for name in ("a", "b"):
        with namespace(name):
            made[name] = insert(store, user_id=user.pk)
    return user, made["a"], made["b"]


def test_a_session_is_found_in_its_namespace_alone(store, both):
    _, at_a, _ = both
    with namespace("a"):
        assert store.find(at_a.id).record.id == at_a.id
    with namespace("b"):
        assert store.find(at_a.id) is None
        assert store.find(at_a.id, principal=True) is None
    assert store.find(at_a.id) is None


def test_no_write_reaches_a_session_of_another_namespace(store, both):
    _, at_a, _ = both
    with namespace("b"):
        with pytest.raises(SessionGone):
            store.merge(at_a.id, at_a.secret_hash, SessionPatch(patch='{"theirs": 1}'), None)
        with pytest.raises(SessionGone):
            store.rotate(at_a.id, at_a.secret_hash, b"x" * 32, b"y" * 32)
        assert not store.renew(at_a.id, at_a.secret_hash, b"x" * 32, at_a.family_hash)
        assert not store.touch(at_a.id, at_a.secret_hash)
        assert not store.revoke(at_a.id)
        assert store.revoke_many([at_a.id]) == []
    with namespace("a"):
        assert store.find(at_a.id).record.secret_hash == at_a.secret_hash


def test_lists_walks_and_counts_stay_within_the_namespace(store, both):
    user, at_a, at_b = both
    with namespace("b"):
        assert [one.id for one in store.list_for(user.pk)] == [at_b.id]
        assert [one.id for one in store.scan(10)] == [at_b.id]
        assert store.count() == 1
        assert len(store.revoke_all(user.pk)) == 1
    with namespace("a"):
        assert [one.id for one in store.list_for(user.pk)] == [at_a.id]


def test_a_limit_counts_the_sessions_of_the_namespace(store, both):
    user, at_a, at_b = both
    key = keys.mint()
    new = NewSession(
        key.id,
        key.secret_hash,
        key.family_hash,
        timedelta(days=1),
        3600,
        user_id=user.pk,
        limit=SessionLimit(1),
    )
    with namespace("b"):
        assert store.insert(new)[1] == [at_b.id]
    with namespace("a"):
        assert store.find(at_a.id) is not None


def test_what_is_remembered_of_a_session_counts_in_its_namespace_alone(make_user):
    side, user = near(DatabaseStore(), Channel([])), make_user()
    with namespace("a"):
        key = insert(side, user_id=user.pk)
        side.find(key.id, principal=True)
        assert side.recall(key.id).principal == user
    with namespace("b"):
        assert side.recall(key.id) is None
    assert side.recall(key.id) is None
    with namespace("a"):
        assert side.recall(key.id) is not None


def test_what_happens_to_a_user_is_told_to_all_where_tenants_may_share_users(make_user, settings):
    settings.SESSIONKEEPER = {"NAMESPACE": lambda: None}
    side, user = near(DatabaseStore(), Channel([])), make_user()
    with namespace("a"):
        key = insert(side, user_id=user.pk)
        side.find(key.id, principal=True)
    with namespace("b"):
        side.user_changed(user.pk)
    with namespace("a"):
        assert side.recall(key.id) is None


def test_the_end_of_a_session_is_recorded_for_its_namespace():
    number = keys.mint().id
    with namespace("a"):
        tombstones.record([(number, registry.now())])
        assert tombstones.among([number, number + 1]) == {number}
    with namespace("b"):
        assert tombstones.among([number]) == set()
    assert tombstones.among([number]) == set()


def test_a_store_without_namespaces_has_the_keys_that_it_had(make_user):
    store = STORES["valkey"]()
    key = insert(store, user_id=make_user().pk)
    prefix = store.client.url.prefix
    assert store.client.connection.exists(f"{prefix}s:{{{keys.encode_id(key.id)}}}")
    assert namespaces.active() == ""


@pytest.mark.parametrize("name", ["acme", "x{y}", "a:b", "ünï"])
def test_any_name_makes_keys_of_its_own(name, make_user):
    store = STORES["cluster"]()
    with namespace(name):
        key = insert(store, user_id=make_user().pk)
        assert store.find(key.id) is not None
    with namespace(name + "2"):
        assert store.find(key.id) is None


def test_each_namespace_is_marked_once():
    store = STORES["valkey"]()
    for name in ("a", "b"):
        with namespace(name):
            insert(store)
            insert(store)
        mark = store.client.connection.get(mark_key(f"{store.client.url.prefix}n:{name}:"))
        assert mark.decode() == key_prefix.of_this_site()
