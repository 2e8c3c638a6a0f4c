"""The indexes of the Valkey/Redis store in the long run: they hold what lives, and what has gone goes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import NewSession, SessionLimit
from sessionkeeper.stores.redis import indexes, tombstones
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import insert, redis_store, server_url
from tests.unit.stores.hashes import raw
from tools import valkey

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]
#: Seconds that a hash is kept after its session has ended.
KEPT = 3600


@pytest.fixture(params=["valkey", "cluster"])
def store(request, clock):
    """A store at a server, and in a Cluster, whose time stands."""
    return redis_store(request.param, clock)


def key_at(moment):
    """Return a session key as one that is made at a moment."""
    return keys.Key(keys.id_before(moment) + 1 + keys.mint().id % 2**22, keys.mint().secret)


def names(store):
    """Return the names of all keys of a store, without the prefix, but for the one mark of the site."""
    prefix = store.client.url.prefix
    found = {name.removeprefix(prefix) for name in store.client.names(f"{prefix}*")}
    return [*(found - {"site"})]


def members(store, kind):
    """Return how many members all sorted sets of a kind have: ``u`` of users, ``i`` of stretches of time."""
    prefix = store.client.url.prefix
    return sum(raw(store).zcard(prefix + name) for name in names(store) if name.startswith(f"{kind}:"))


def kinds(store):
    """Return how many keys of each kind there are."""
    return Counter(name.partition(":")[0] for name in names(store))


def let_pass(store, clock, **duration):
    """Let time pass, also for the lives of keys: what would have gone by itself is gone."""
    clock.move(**duration)
    passed = timedelta(**duration) // timedelta(milliseconds=1)
    prefix = store.client.url.prefix
    for name in names(store):
        life = raw(store).pttl(prefix + name)
        if life == -1:
            continue
        if life <= passed:
            raw(store).delete(prefix + name)
        else:
            raw(store).pexpire(prefix + name, life - passed)


def purged(store):
    """Purge as a daily job does; return how many sessions were removed."""
    after, removed = 0, 0
    while after is not None:
        some, _, after = store.purge(25, after)
        removed += some
    return removed


def assert_holds_only_what_lives(store):
    """Assert that every key and every member is of a session that the server still holds."""
    found = kinds(store)
    sessions = found["s"]
    assert members(store, "u") == members(store, "i") == sessions
    assert set(found) <= {"s", "u", "i", "buckets"}
    assert found["buckets"] <= 1
    assert found["u"] <= sessions
    assert found["i"] <= sessions
    assert raw(store).zcard(f"{store.client.url.prefix}buckets") == found["i"]


@pytest.mark.rule("L17")
def test_after_thirty_days_there_are_as_many_keys_and_members_as_sessions(store, clock, make_user):
    users = [make_user().pk for _ in range(4)]
    for day in range(30):
        for number in range(40):
            idle, days = (3600, 30) if number % 4 else (None, 2)
            insert(
                store,
                key_at(clock.now),
                user_id=users[(day + number) % 4],
                idle_seconds=idle,
                lifetime=timedelta(days=days),
            )
            if number % 20 == 19:
                let_pass(store, clock, hours=12)
        purged(store)
        assert_holds_only_what_lives(store)
        # Ten a day live for two days; of the others and of those that have ended, what the last hour left.
        assert kinds(store)["s"] <= 20 + 5
    let_pass(store, clock, days=3)
    purged(store)
    assert names(store) == []


@pytest.mark.rule("L17")
def test_a_purge_reaches_the_index_of_a_user_who_never_comes_back(store, clock, user):
    insert(store, key_at(clock.now), user_id=user, idle_seconds=60)
    let_pass(store, clock, hours=2)
    assert kinds(store) == {"u": 1, "i": 1, "buckets": 1}  # the session has gone by itself
    purged(store)
    assert names(store) == []


def test_an_index_goes_by_itself_with_the_last_end_of_its_sessions(store, clock, user):
    insert(store, user_id=user, idle_seconds=60, lifetime=timedelta(days=60))
    insert(store, user_id=user, lifetime=timedelta(days=1))
    life = raw(store).pttl(store._index.user(str(user))) / 1000
    assert 60 * 86400 + KEPT - 60 < life <= 60 * 86400 + KEPT


@pytest.mark.rule("L17")
def test_a_sign_in_takes_entries_of_what_is_gone_with_it(store, clock, user):
    other = insert(store, user_id=user, idle_seconds=None)
    for _ in range(12):
        insert(store, user_id=user, idle_seconds=60)
    let_pass(store, clock, hours=3)
    name = store._index.user(str(user))
    assert raw(store).zcard(name) == 13
    mine = insert(store, user_id=user)
    assert set(raw(store).zrange(name, 0, -1)) == {keys.encode_id(key.id).encode() for key in (other, mine)}


def test_without_any_purge_what_is_gone_stays_little(clock, user, monkeypatch):
    store = redis_store("valkey", clock)
    for _ in range(400):
        insert(store, user_id=user, idle_seconds=60)
        let_pass(store, clock, hours=2)
    assert raw(store).zcard(store._index.user(str(user))) <= 16


def test_entries_of_the_user_before_are_dropped_and_those_of_others_stay(store, clock, make_user):
    first, second = make_user().pk, make_user().pk
    kept = insert(store, user_id=first, idle_seconds=None)
    moved = insert(store, user_id=first, idle_seconds=None)
    raw(store).hset(store._index.session(moved.id), "user", str(second))
    clock.move(hours=2)
    store._index.clean_all(store._time())
    assert raw(store).zrange(store._index.user(str(first)), 0, -1) == [keys.encode_id(kept.id).encode()]
    assert [record.id for record in store.list_for(first)] == [kept.id]


def test_a_purge_leaves_alone_what_is_about_to_be_stored(store, clock, user):
    name = store._index.user(str(user))
    key = key_at(clock.now)
    raw(store).zadd(name, {keys.encode_id(key.id): clock.now.timestamp() * 1_000_000})
    purged(store)
    assert raw(store).zcard(name) == 1


def test_a_purge_leaves_alone_what_others_keep_under_like_names(clock, user):
    store = redis_store("valkey", clock)
    prefix = store.client.url.prefix
    others = {f"{prefix}u:{{text}}": "x", f"{prefix}use": "x", f"x{prefix}u:{{5}}": "x"}
    for name, value in others.items():
        raw(store).set(name, value)
    insert(store, key_at(clock.now), user_id=user, idle_seconds=60)
    let_pass(store, clock, hours=2)
    purged(store)
    assert sorted(names(store)) == ["u:{text}", "use"]
    assert raw(store).delete(*others) == 3


@pytest.mark.parametrize("prefix", ["a*[b]?\\^-:", "u:{x}s:"])
def test_a_prefix_may_have_what_means_something_in_patterns(clock, user, prefix):
    store = RedisStore(redis_url.parse(valkey.with_options(server_url("valkey"), prefix=prefix)), clock)
    mine = [insert(store, key_at(clock.now), user_id=user, idle_seconds=60) for _ in range(3)]
    raw(store).delete(store._index.session(mine[0].id))
    clock.move(hours=2)
    store._index.clean_all(store._time())
    name = store._index.user(str(user))
    assert set(raw(store).zrange(name, 0, -1)) == {keys.encode_id(key.id).encode() for key in mine[1:]}
    raw(store).delete(store._index.session(mine[1].id))
    insert(store, key_at(clock.now), user_id=user)  # which looks at the others by the way
    assert raw(store).zcard(name) == 2
    raw(store).delete(*[one for one in raw(store).scan_iter() if one.startswith(prefix.encode())])


# Very many entries


def crowd(store, clock, user, number):
    """Put entries of sessions that are long gone into a user's index."""
    written = (clock.now - timedelta(days=2)).timestamp() * 1_000_000
    base = keys.id_before(clock.now - timedelta(days=2)) + 1
    name = store._index.user(str(user))
    for start in range(0, number, 5000):
        part = range(start, min(start + 5000, number))
        raw(store).zadd(name, {keys.encode_id(base + one * 2**22): written + one for one in part})
    return name


def sent_at_once(store, monkeypatch):
    """Return a list of how many commands each pipeline has, from now on."""
    found, send = [], store.client._send
    monkeypatch.setattr(
        store.client, "_send", lambda commands: (found.append(len(commands)), send(commands))[1]
    )
    return found


LIMITED = {"limit": SessionLimit(3, end_oldest=True), "authenticated": True}


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_a_list_among_very_many_entries_is_read_in_parts_and_cleans_up(kind, clock, user, monkeypatch):
    store = redis_store(kind, clock)
    live = [insert(store, user_id=user, idle_seconds=None).id for _ in range(3)]
    name = crowd(store, clock, user, 12_000)
    sizes = sent_at_once(store, monkeypatch)
    assert [record.id for record in store.list_for(user)] == sorted(live, reverse=True)
    assert max(sizes) <= 500
    assert raw(store).zcard(name) == 3


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_a_sign_in_with_a_limit_costs_by_live_sessions(kind, clock, user, monkeypatch):
    store = redis_store(kind, clock)
    live = [insert(store, user_id=user, idle_seconds=None).id for _ in range(3)]
    name = crowd(store, clock, user, 12_000)
    key = keys.mint()
    _, ended = store.insert(
        NewSession(key.id, key.secret_hash, key.family_hash, timedelta(days=1), None, user_id=user, **LIMITED)
    )
    assert len(ended) == 1
    assert raw(store).zcard(name) == 3
    asked, send = [], store.client._send
    monkeypatch.setattr(store.client, "_send", lambda commands: (asked.extend(commands), send(commands))[1])
    insert(store, user_id=user, **LIMITED)
    assert sum(command[0] == "HGETALL" for command in asked) == 3
    assert len({record.id for record in store.list_for(user)} & set(live)) == 1


def test_a_sign_out_everywhere_among_very_many_entries_goes_in_parts(clock, user, monkeypatch):
    store = redis_store("valkey", clock)
    for _ in range(1200):
        insert(store, user_id=user, idle_seconds=None)
    crowd(store, clock, user, 3000)
    sizes, recorded, real = sent_at_once(store, monkeypatch), [], tombstones.record
    monkeypatch.setattr(tombstones, "record", lambda ended: (recorded.append(len(ended)), real(ended)))
    assert len(store.revoke_all(user)) == 1200
    assert max(sizes + recorded) <= 500
    assert store.list_for(user) == []


def test_a_sign_in_stands_though_cleaning_up_after_it_does_not_work(clock, user, monkeypatch):
    store = redis_store("cluster", clock)

    def fails(*arguments):
        raise StoreUnavailable

    monkeypatch.setattr(store._index, "clean_some", fails)
    key = insert(store, user_id=user)
    assert [record.id for record in store.list_for(user)] == [key.id]


def test_an_index_as_the_release_before_wrote_it_loses_no_session(store, clock, user):
    """Entries are what they were: two releases side by side read and write the same."""
    lives = [insert(store, user_id=user, idle_seconds=None) for _ in range(30)]
    clock.move(hours=5)
    name = store._index.user(str(user))
    long_ago = (clock.now - timedelta(days=20)).timestamp() * 1_000_000
    raw(store).zadd(name, {keys.encode_id(key.id): long_ago for key in lives})
    for _ in range(5):
        insert(store, user_id=user, idle_seconds=None)
    purged(store)
    assert {record.id for record in store.list_for(user)} >= {key.id for key in lives}
    assert len(store.list_for(user)) == 35
    assert len(store.revoke_all(user)) == 35


def test_parts_of_an_index_that_changes_meanwhile_leave_none_out(clock, user, monkeypatch):
    store = redis_store("valkey", clock)
    live = {insert(store, user_id=user, idle_seconds=None).id for _ in range(2500)}
    real, turns = store.client.run, []

    def run(names, operation, *arguments):
        answer = real(names, operation, *arguments)
        if operation == "part" and not turns:
            turns.append(len(answer[2]))
            crowd(store, clock, user, 4000)
        return answer

    monkeypatch.setattr(store.client, "run", run)
    assert set(store._index.read(str(user), store._time()).ids()) >= live
    assert 0 < turns[0] < 2 * 2500
    assert indexes.GRACE == KEPT * 1_000_000
