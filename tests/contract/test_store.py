"""The store contract: what ``stores/base.py`` promises, held against every store."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from asgiref.sync import SyncToAsync
from django.db import connection, connections, transaction

from sessionkeeper.core import keys
from sessionkeeper.core.errors import IdTaken, SessionGone, StaleSession, TooManySessions
from sessionkeeper.core.records import (
    NewSession,
    SessionLimit,
    SessionPatch,
    SessionRecord,
    SessionTimestamps,
)
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.factory import CircuitBreakerStore
from sessionkeeper.stores.near_cache.postgres import PostgresChannel
from sessionkeeper.stores.near_cache.redis import RedisChannel
from tests.memory_store import MemoryStore
from tests.stores import KINDS, Channel, Clock, InLoop, insert, near, redis_store

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def in_loop(kind, **settings):
    """A store at such a server, used in an event loop."""
    return InLoop(redis_store(kind, **settings))


STORES = {
    "memory": MemoryStore,
    "database": DatabaseStore,
    "valkey": partial(redis_store, "valkey"),
    "redis": partial(redis_store, "redis"),
    "valkey-cluster": partial(redis_store, "cluster"),
    "valkey-sentinel": partial(redis_store, "sentinel"),
    **{f"{kind}-loop": partial(in_loop, kind) for kind in KINDS},
    "guarded": lambda **settings: CircuitBreakerStore(DatabaseStore(**settings)),
    "guarded-valkey": lambda **settings: CircuitBreakerStore(redis_store("valkey", **settings)),
    "near-valkey": lambda **settings: near(redis_store("valkey", **settings), Channel([], None)),
    "near-valkey-told": lambda **settings: near_over(redis_store("valkey", **settings)),
    "near-cluster-told": lambda **settings: near_over(redis_store("cluster", **settings)),
    "near-memory": lambda **settings: near(MemoryStore(**settings)),
    "near-database": lambda **settings: near(DatabaseStore(**settings)),
    "near-postgres": lambda **settings: near(DatabaseStore(**settings), PostgresChannel("default")),
}


def near_over(store):
    """Put a near cache in front of a store in Valkey, which tells and hears there."""
    return near(store, RedisChannel(store.client))


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.postgres if name == "near-postgres" else ()) for name in STORES
    ]
)
def kind(request):
    """A kind of store, which a test opens as often as it likes."""
    made = []

    def opened(**settings):
        made.append(STORES[request.param](**settings))
        return made[-1]

    yield opened
    for store in made:
        if isinstance(store, InLoop):
            store.close()


@pytest.fixture(autouse=True)
def _one_connection(db):
    """Let Django's thread, which a store in an event loop takes, work in the test's transaction."""

    def take():
        connections.close_all()
        connections["default"] = mine

    def give_back():
        del connections["default"]

    mine, thread = connections["default"], SyncToAsync.single_thread_executor
    mine.inc_thread_sharing()
    thread.submit(take).result()
    yield
    thread.submit(give_back).result()
    mine.dec_thread_sharing()


@pytest.fixture
def clock():
    """The time as the store sees it."""
    return Clock()


@pytest.fixture
def store(kind, clock):
    """A store whose time stands."""
    return kind(clock=clock)


@pytest.fixture
def users(make_user):
    """Primary keys of two users."""
    return make_user().pk, make_user().pk


def data_of(store, key):
    """Return the stored data."""
    return json.loads(store.find(key.id).record.data)


def patch(store, key, seen=None, deleted=(), **values):
    """Merge these values."""
    store.merge(key.id, key.secret_hash, SessionPatch(json.dumps(values), deleted), seen)


# insert and find


def test_a_session_comes_back_as_it_was_stored(store, clock, users):
    key = insert(
        store,
        data='{"a": 1}',
        user_id=users[0],
        authenticated=True,
        transport="bearer",
        ip_address="2001:db8::1",
        user_agent="curl/8",
        label="laptop",
        amr="pwd",
    )
    found = store.find(key.id)
    assert found.now == clock.now
    assert found.record == SessionRecord(
        id=key.id,
        secret_hash=key.secret_hash,
        family_hash=key.family_hash,
        previous_hash=None,
        previous_at=None,
        user_id=users[0],
        transport="bearer",
        data='{"a": 1}',
        created_at=clock.now,
        authenticated_at=clock.now,
        last_seen_at=clock.now,
        expires_at=clock.now + timedelta(days=1),
        idle_seconds=3600,
        ip_address="2001:db8::1",
        user_agent="curl/8",
        label="laptop",
        amr="pwd",
        version=0,
    )


def test_a_session_of_nobody_has_no_user_and_no_authentication_time(store):
    record = store.find(insert(store).id).record
    assert (record.user_id, record.authenticated_at, record.ip_address) == (None, None, None)


def test_a_lifetime_may_be_a_moment(store, clock):
    moment = clock.now + timedelta(days=3, microseconds=7)
    assert store.find(insert(store, lifetime=moment).id).record.expires_at == moment


def test_a_session_may_have_no_idle_timeout(store):
    assert store.find(insert(store, idle_seconds=None).id).record.idle_seconds is None


def test_a_restored_session_is_as_it_was_then(store, clock, users):
    then = clock.now - timedelta(days=2)
    past = SessionTimestamps(then, then + timedelta(seconds=1), then + timedelta(hours=1), b"p" * 32, then)
    key = insert(store, past=past, lifetime=clock.now + timedelta(days=1), user_id=users[0])
    record = store.find(key.id).record
    assert {name: getattr(record, name) for name in SessionTimestamps._fields} == past._asdict()
    assert store.list_for(users[0]) == [record]
    other = insert(store, past=SessionTimestamps(then, None, then), idle_seconds=3600)
    record = store.find(other.id).record
    assert (record.authenticated_at, record.previous_hash, record.previous_at) == (None, None, None)
    with pytest.raises(IdTaken):
        insert(store, keys.Key(key.id, keys.mint().secret), past=past)


@pytest.mark.parametrize("session_id", [0, 1, 2**63 - 1])
def test_an_absent_session_is_none(store, session_id):
    assert store.find(session_id) is None
    assert store.find(session_id, principal=True) is None


@pytest.mark.parametrize("session_id", [0, 2**63 - 1])
def test_the_least_and_the_greatest_id_are_ids_like_any(store, session_id):
    key = insert(store, keys.Key(session_id, keys.mint().secret))
    patch(store, key, a=1)
    assert store.find(session_id).record.id == session_id
    assert store.revoke(session_id)


def test_an_expired_session_is_found_and_the_caller_decides(store, clock):
    key = insert(store, lifetime=timedelta(seconds=1), idle_seconds=1)
    clock.move(days=100)
    found = store.find(key.id)
    assert found.record.expires_at < found.now


def test_an_id_that_exists_is_refused_and_nothing_is_written(store):
    key = insert(store, data='{"mine": 1}')
    before = store.find(key.id).record
    with pytest.raises(IdTaken):
        insert(store, keys.rotate(key), data='{"theirs": 1}')
    assert store.find(key.id).record == before


def test_a_transaction_stays_usable_after_a_collision(store):
    key = insert(store)
    with transaction.atomic():
        with pytest.raises(IdTaken):
            insert(store, keys.rotate(key))
        other = insert(store)
    assert store.find(other.id) is not None


def test_the_principal_is_not_told_unless_asked_for(store, users):
    assert store.find(insert(store, user_id=users[0]).id).principal is None


@pytest.mark.rule("R06")
def test_the_secret_is_nowhere_in_the_table(make_user):
    store = DatabaseStore()
    key = insert(store, user_id=make_user().pk, data='{"a": 1}')
    patch(store, key, b=2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessionkeeper_session")
        dump = b"|".join(
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            for row in cursor.fetchall()
            for value in row
        )
    for length in (29, 22, 7):
        assert key.secret[:length].encode() not in dump
    assert key.secret[-7:].encode() not in dump


# merge


def test_a_merge_sets_and_deletes_the_named_keys_and_leaves_the_others(store):
    key = insert(store, data='{"kept": [1], "old": 1, "gone": 1}')
    patch(store, key, None, ("gone", "absent"), old=2, new={"x": None})
    assert data_of(store, key) == {"kept": [1], "old": 2, "new": {"x": None}}


@pytest.mark.parametrize("remember", [True, False])
def test_writers_of_different_keys_who_read_the_same_both_survive(store, remember):
    key = insert(store, data='{"gone": 1}')
    seen = store.find(key.id).record if remember else None
    patch(store, key, seen, one=1)
    patch(store, key, seen, two=2)
    patch(store, key, seen, ("gone",))
    assert data_of(store, key) == {"one": 1, "two": 2}


def test_of_writers_of_one_key_the_last_wins(store):
    key = insert(store)
    seen = store.find(key.id).record
    patch(store, key, seen, one=1)
    patch(store, key, seen, one=2)
    assert data_of(store, key) == {"one": 2}


def test_a_replacing_merge_drops_what_others_wrote(store):
    key = insert(store, data='{"old": 1}')
    patch(store, key, None, other=1)
    store.merge(key.id, key.secret_hash, SessionPatch('{"new": 1}', replace=True), None)
    assert data_of(store, key) == {"new": 1}


def test_a_merge_counts_as_use_and_moves_no_other_time(store, clock):
    key = insert(store)
    before = store.find(key.id).record
    clock.move(minutes=1)
    patch(store, key, before, a=1)
    after = store.find(key.id).record
    assert after._replace(data=before.data, version=before.version) == before._replace(last_seen_at=clock.now)


def test_a_merge_writes_the_facts_it_is_given(store, clock, users):
    key = insert(store)
    clock.move(minutes=1)
    facts = {"user_id": users[0], "idle_seconds": None, "label": "x", "amr": "pwd", "user_agent": "y"}
    store.merge(
        key.id,
        key.secret_hash,
        SessionPatch(facts=facts, lifetime=timedelta(days=2), authenticated=True),
        store.find(key.id).record,
    )
    record = store.find(key.id).record
    assert {name: getattr(record, name) for name in facts} == facts
    assert record.authenticated_at == clock.now
    assert record.expires_at == clock.now + timedelta(days=2)


def test_a_merge_may_move_the_expiry_to_a_moment(store, clock):
    key = insert(store)
    moment = clock.now + timedelta(days=9)
    store.merge(key.id, key.secret_hash, SessionPatch(lifetime=moment), None)
    assert store.find(key.id).record.expires_at == moment


# What never creates


def merge(store, key):
    """Merge with what a caller who read the session before would bring."""
    store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}'), None)


def merge_replacing(store, key):
    """Merge all."""
    store.merge(key.id, key.secret_hash, SessionPatch('{"a": 1}', replace=True), None)


def rotate(store, key):
    """Rotate."""
    new = keys.rotate(key)
    store.rotate(key.id, key.secret_hash, new.secret_hash, new.family_hash)


WRITES = [merge, merge_replacing, rotate]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_to_an_absent_session_is_refused_and_creates_nothing(store, write):
    with pytest.raises(SessionGone):
        write(store, keys.mint())
    assert store.count() == 0


@pytest.mark.parametrize("write", WRITES)
def test_a_write_to_a_revoked_session_is_refused_and_creates_nothing(store, write):
    key = insert(store)
    store.revoke(key.id)
    with pytest.raises(SessionGone):
        write(store, key)
    assert store.find(key.id) is None


def test_a_merge_that_remembers_a_revoked_session_is_refused(store):
    key = insert(store)
    seen = store.find(key.id).record
    store.revoke(key.id)
    with pytest.raises(SessionGone):
        patch(store, key, seen, a=1)
    assert store.count() == 0


@pytest.mark.parametrize("write", WRITES)
def test_a_write_with_a_rotated_secret_is_refused_and_changes_nothing(store, write):
    key = insert(store)
    rotate(store, key)
    before = store.find(key.id).record
    with pytest.raises(StaleSession):
        write(store, key)
    assert store.find(key.id).record == before


def test_a_merge_that_remembers_a_rotated_secret_is_refused(store):
    key = insert(store)
    seen = store.find(key.id).record
    rotate(store, key)
    with pytest.raises(StaleSession):
        patch(store, key, seen, a=1)
    assert data_of(store, key) == {}


@pytest.mark.parametrize("write", WRITES)
def test_a_transaction_stays_usable_after_a_refused_write(store, write):
    with transaction.atomic():
        with pytest.raises(SessionGone):
            write(store, keys.mint())
        key = insert(store)
    assert store.find(key.id) is not None


# rotate


def test_a_rotation_replaces_secret_and_family_and_nothing_else(store, clock, users):
    key = insert(store, data='{"a": 1}', user_id=users[0], authenticated=True)
    before = store.find(key.id).record
    clock.move(minutes=5)
    new = keys.rotate(key)
    store.rotate(key.id, key.secret_hash, new.secret_hash, new.family_hash)
    after = store.find(key.id).record
    assert (after.secret_hash, after.family_hash) == (new.secret_hash, new.family_hash)
    assert after == before._replace(
        secret_hash=new.secret_hash,
        family_hash=new.family_hash,
        last_seen_at=clock.now,
        version=after.version,
    )


def test_after_a_rotation_only_the_new_secret_writes(store):
    key = insert(store)
    seen = store.find(key.id).record
    new = keys.rotate(key)
    store.rotate(key.id, key.secret_hash, new.secret_hash, new.family_hash)
    patch(store, new, seen, a=1)
    assert not store.touch(key.id, key.secret_hash)
    assert store.touch(key.id, new.secret_hash)
    assert data_of(store, key) == {"a": 1}


# touch


def test_a_touch_records_the_time_and_nothing_else(store, clock):
    key = insert(store, data='{"a": 1}')
    before = store.find(key.id).record
    clock.move(minutes=5)
    assert store.touch(key.id, key.secret_hash) is True
    assert store.find(key.id).record == before._replace(last_seen_at=clock.now)


def test_a_touch_of_an_absent_revoked_or_rotated_session_is_false_and_writes_nothing(store):
    assert store.touch(keys.mint().id, b"x" * 32) is False
    key = insert(store)
    before = store.find(key.id).record
    assert store.touch(key.id, keys.rotate(key).secret_hash) is False
    assert store.find(key.id).record == before
    store.revoke(key.id)
    assert store.touch(key.id, key.secret_hash) is False
    assert store.count() == 0


# What a write returns


def same(written, stored):
    """Whether both are one session; JSON may be spaced in another way."""
    return (written._replace(data=""), json.loads(written.data)) == (
        stored._replace(data=""),
        json.loads(stored.data),
    )


@pytest.mark.parametrize("past", [False, True])
def test_an_insert_returns_the_session_as_it_is_stored(store, clock, users, past):
    key, at = keys.mint(), clock.now - timedelta(hours=3)
    new = NewSession(
        key.id,
        key.secret_hash,
        key.family_hash,
        clock.now + timedelta(days=1) if past else timedelta(days=1),
        3600,
        '{"a": 1, "é": "ü"}',
        users[0],
        authenticated=True,
        ip_address="192.0.2.7",
        user_agent="curl",
        label="mine",
        amr="pwd",
        past=SessionTimestamps(at, at, at, b"p" * 32) if past else None,
    )
    record, ended = store.insert(new)
    assert same(record, store.find(key.id).record)
    assert ended == []


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("replace", [True, False])
def test_a_merge_returns_the_session_as_it_is_stored(store, clock, users, seen, replace):
    key = insert(store, data='{"a": 1, "b": 2, "c": 3}')
    before = store.find(key.id).record if seen else None
    clock.move(minutes=1)
    changes = SessionPatch(
        '{"a": 4}',
        ("b",),
        replace,
        {"user_id": users[0], "idle_seconds": None, "label": "mine"},
        timedelta(hours=5),
        authenticated=True,
    )
    record, _ = store.merge(key.id, key.secret_hash, changes, before)
    assert same(record, store.find(key.id).record)
    assert json.loads(record.data) == ({"a": 4} if replace else {"a": 4, "c": 3})


# revoke


def test_a_revoked_session_is_gone_and_revoking_again_says_so(store, users):
    key, other = insert(store, user_id=users[0]), insert(store, user_id=users[0])
    assert store.revoke(key.id) == (key.id, users[0])
    assert store.revoke(key.id) is None
    assert store.find(key.id) is None
    assert [record.id for record in store.list_for(users[0])] == [other.id]


def test_revoking_with_a_secret_needs_the_right_one(store):
    key = insert(store)
    assert store.revoke(key.id, keys.rotate(key).secret_hash) is None
    assert store.find(key.id) is not None
    assert store.revoke(key.id, key.secret_hash) == (key.id, None)


def test_an_expired_session_can_be_revoked(store, clock):
    key = insert(store)
    clock.move(days=100)
    assert store.revoke(key.id) == (key.id, None)


def test_revoke_all_ends_the_sessions_of_that_user_only(store, users):
    mine = [insert(store, user_id=users[0]) for _ in range(3)]
    theirs, nobodys = insert(store, user_id=users[1]), insert(store)
    assert sorted(store.revoke_all(users[0])) == sorted((key.id, users[0]) for key in mine)
    assert [store.find(key.id) for key in mine] == [None] * 3
    assert store.find(theirs.id)
    assert store.find(nobodys.id)
    assert len(store.revoke_all(users[0])) == 0


def test_revoke_all_spares_the_one_that_it_is_told_to(store, users):
    mine = [insert(store, user_id=users[0]) for _ in range(3)]
    assert len(store.revoke_all(users[0], mine[1].id)) == 2
    assert [record.id for record in store.list_for(users[0])] == [mine[1].id]
    assert len(store.revoke_all(users[0], keys.mint().id)) == 1


def test_revoke_all_finds_a_session_whose_user_came_later(store, users):
    key = insert(store)
    store.merge(key.id, key.secret_hash, SessionPatch(facts={"user_id": users[0]}), None)
    assert len(store.revoke_all(users[0])) == 1


# list_for


def test_the_list_holds_a_users_sessions_newest_first(store, users):
    mine = [insert(store, keys.Key(number, keys.mint().secret), user_id=users[0]) for number in (5, 7, 6)]
    insert(store, user_id=users[1])
    insert(store)
    assert [record.id for record in store.list_for(users[0])] == [7, 6, 5]
    assert store.list_for(users[0])[2] == store.find(mine[0].id).record
    assert len(store.list_for(users[1])) == 1


def test_the_list_comes_in_parts(store, users):
    for number in (5, 7, 6, 9, 8):
        insert(store, keys.Key(number, keys.mint().secret), user_id=users[number == 8])
    parts = [(2, keys.MAX_ID), (2, 6), (2, 7), (10, 6), (1, 4), (1, 0)]
    assert [[one.id for one in store.list_for(users[0], *part)] for part in parts] == [
        [9, 7], [6, 5], [7, 6], [6, 5], [], []
    ]  # fmt: skip
    assert [one.id for one in store.list_for(users[0], newest=7)] == [7, 6, 5]


def test_the_list_of_a_user_without_sessions_is_empty(store, users):
    insert(store)
    assert store.list_for(users[0]) == []


def test_the_list_follows_the_user_column(store, users):
    key = insert(store, user_id=users[0])
    store.merge(key.id, key.secret_hash, SessionPatch(facts={"user_id": users[1]}), None)
    assert store.list_for(users[0]) == []
    assert [record.id for record in store.list_for(users[1])] == [key.id]


# purge and count


def walk(store, limit):
    """Purge to the end; return what each step removed."""
    removed, after = [], 0
    while after is not None:
        number, _, after = store.purge(limit, after)
        removed.append(number)
        assert len(removed) < 100
    return removed


def test_a_purge_removes_what_ended_by_either_limit_and_nothing_else(store, clock):
    idle = insert(store, idle_seconds=60)
    absolute = insert(store, lifetime=timedelta(minutes=1), idle_seconds=None)
    lives = [insert(store, idle_seconds=61), insert(store, idle_seconds=None), insert(store)]
    clock.move(seconds=60)
    assert sum(walk(store, 10)) == 2
    assert store.find(idle.id) is None
    assert store.find(absolute.id) is None
    assert all(store.find(key.id) for key in lives)


def test_a_purge_goes_on_where_it_was_and_ends(store, clock):
    for number in range(1, 11):
        insert(store, keys.Key(number, keys.mint().secret), idle_seconds=60 if number % 2 else None)
    clock.move(minutes=2)
    steps = [store.purge(4), store.purge(4, 4), store.purge(4, 8)]
    assert steps == [(2, 0, 4), (2, 0, 8), (1, 0, None)]
    assert [record.id for record in store.scan(10)] == [10, 8, 6, 4, 2]


def test_a_purge_tells_in_how_many_somebody_was_signed_in(store, clock, users):
    for user in (users[0], users[1], None):
        insert(store, idle_seconds=60, user_id=user)
    insert(store, lifetime=timedelta(days=9), idle_seconds=None, user_id=users[0])
    clock.move(days=2)
    assert store.purge(10) == (3, 2, None)


@pytest.mark.parametrize(("sessions", "steps"), [(0, 1), (2, 1), (3, 2), (7, 3)])
@pytest.mark.rule("L11")
def test_a_purge_takes_batches_of_bounded_size(store, clock, sessions, steps):
    for _ in range(sessions):
        insert(store)
    clock.move(days=2)
    removed = walk(store, 3)
    assert (sum(removed), len(removed)) == (sessions, steps)
    assert max(removed) <= 3
    assert store.count() == 0


def test_a_used_session_is_not_purged(store, clock):
    key = insert(store, idle_seconds=60)
    clock.move(seconds=59)
    store.touch(key.id, key.secret_hash)
    clock.move(seconds=59)
    assert walk(store, 10) == [0]


def test_count_counts_expired_sessions_too(store, clock):
    assert store.count() == 0
    insert(store)
    clock.move(days=100)
    insert(store)
    assert store.count() == 2


# The store's own clock


def test_times_are_those_of_the_store(kind):
    store = kind()
    key = insert(store, lifetime=timedelta(hours=1))
    record, now = store.find(key.id)[:2]
    assert timedelta(0) <= now - record.created_at < timedelta(minutes=1)
    assert record.expires_at - record.created_at == timedelta(hours=1)
    store.merge(key.id, key.secret_hash, SessionPatch(lifetime=timedelta(hours=2), authenticated=True), None)
    after = store.find(key.id)
    assert after.record.authenticated_at == after.record.last_seen_at >= record.created_at
    assert after.record.expires_at - after.record.last_seen_at == timedelta(hours=2)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("use_tz", [True, False])
def test_times_are_aware_and_right_under_every_setting(kind, settings, use_tz, zone):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    clock = Clock()
    store = kind(clock=clock)
    key = insert(store, lifetime=timedelta(hours=1))
    found = store.find(key.id)
    assert found.record.created_at == found.now == clock.now
    assert found.record.expires_at == clock.now + timedelta(hours=1)
    assert [time.tzinfo is not None for time in (found.now, found.record.last_seen_at)] == [True, True]
    clock.move(hours=1)
    assert walk(store, 5) == [1]


def test_own_clock_agrees_with_the_time_zone_setting(kind, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Kathmandu"
    store = kind()
    key = insert(store, lifetime=timedelta(hours=1))
    record, now = store.find(key.id)[:2]
    assert abs(now - record.created_at) < timedelta(minutes=1)
    assert abs(record.expires_at - record.created_at - timedelta(hours=1)) < timedelta(minutes=1)
    assert walk(store, 5) == [0]


# Cost


# renew

#: The hash of the same family with another server key.
FAMILY = b"f" * 32


def renewed(store, key):
    """Renew the key's secret and return the new key."""
    new = keys.Key(key.id, keys.mint().secret[: keys.ROTATING_LENGTH] + key.secret[keys.ROTATING_LENGTH :])
    assert store.renew(key.id, key.secret_hash, new.secret_hash, FAMILY)
    return new


def test_a_renewal_replaces_the_hashes_and_keeps_the_secret_before_and_nothing_else(store, clock, users):
    key = insert(store, data='{"a": 1}', user_id=users[0], authenticated=True)
    before = store.find(key.id).record
    clock.move(minutes=5)
    new = renewed(store, key)
    after = store.find(key.id).record
    assert after == before._replace(
        secret_hash=new.secret_hash,
        family_hash=FAMILY,
        previous_hash=key.secret_hash,
        last_seen_at=clock.now,
        version=after.version,
    )


def test_the_same_renewal_again_is_true_until_the_new_secret_was_seen(store, clock):
    key = insert(store)
    new = renewed(store, key)
    assert store.renew(key.id, key.secret_hash, new.secret_hash, key.family_hash)
    clock.move(seconds=5)
    assert store.touch(key.id, new.secret_hash)
    before = store.find(key.id).record
    assert before.previous_at == clock.now
    assert not store.renew(key.id, key.secret_hash, new.secret_hash, key.family_hash)
    assert store.find(key.id).record == before


def test_only_the_first_touch_with_the_new_secret_says_when_it_was_seen(store, clock):
    key = insert(store)
    assert store.touch(key.id, key.secret_hash)
    new = renewed(store, key)
    assert store.touch(key.id, key.secret_hash)
    assert store.find(key.id).record.previous_at is None
    clock.move(seconds=5)
    first = clock.now
    for _ in range(2):
        assert store.touch(key.id, new.secret_hash)
        clock.move(seconds=5)
    assert store.find(key.id).record.previous_at == first


def test_another_renewal_of_a_renewed_secret_is_refused_and_writes_nothing(store):
    key = insert(store)
    renewed(store, key)
    before = store.find(key.id).record
    assert not store.renew(key.id, key.secret_hash, keys.mint().secret_hash, key.family_hash)
    assert not store.renew(key.id, keys.mint().secret_hash, keys.mint().secret_hash, key.family_hash)
    assert store.find(key.id).record == before


def test_a_renewal_of_an_absent_revoked_or_rotated_session_is_false_and_creates_nothing(store):
    key = insert(store)
    new = keys.mint().secret_hash
    rotate(store, key)
    assert not store.renew(key.id, key.secret_hash, new, key.family_hash)
    store.revoke(key.id)
    assert not store.renew(key.id, key.secret_hash, new, key.family_hash)
    assert store.count() == 0


@pytest.mark.parametrize("remember", [True, False])
def test_both_secrets_write_after_a_renewal_and_no_older_one(store, remember):
    oldest = insert(store)
    seen = store.find(oldest.id).record if remember else None
    older = renewed(store, oldest)
    new = renewed(store, older)
    patch(store, older, seen, a=1)
    patch(store, new, seen, b=2)
    assert store.touch(new.id, older.secret_hash)
    assert data_of(store, new) == {"a": 1, "b": 2}
    with pytest.raises(StaleSession):
        patch(store, oldest, seen, c=3)
    assert not store.touch(oldest.id, oldest.secret_hash)
    assert not store.revoke(oldest.id, oldest.secret_hash)
    assert data_of(store, new) == {"a": 1, "b": 2}
    assert store.revoke(older.id, older.secret_hash)


def test_a_rotation_with_the_secret_before_kills_both(store):
    key = insert(store)
    new = renewed(store, key)
    rotate(store, key)
    assert store.find(key.id).record.previous_hash is None
    for dead in (key, new):
        with pytest.raises(StaleSession):
            patch(store, dead, a=1)
        assert not store.touch(dead.id, dead.secret_hash)


# A limit on a user's sessions


def signed_in(store, user, limit=None, **fields):
    """Store a session of this user and return its key and what ended for it."""
    key = keys.mint()
    fields = {"lifetime": timedelta(days=1), "idle_seconds": 3600, "authenticated": True, **fields}
    new = NewSession(key.id, key.secret_hash, key.family_hash, user_id=user, limit=limit, **fields)
    return key, store.insert(new)[1]


def ids(store, user):
    """The ids of a user's sessions."""
    return {record.id for record in store.list_for(user)}


def test_the_oldest_sessions_by_authentication_end_to_make_room(store, clock, users):
    made = []
    for _ in range(4):
        made.append(signed_in(store, users[0])[0])
        clock.move(minutes=1)
    first = made[0]
    store.merge(
        first.id, first.secret_hash, SessionPatch(authenticated=True), None
    )  # proven again: not the oldest
    clock.move(minutes=1)
    key, ended = signed_in(store, users[0], SessionLimit(3))
    assert ended == [made[1].id, made[2].id]
    assert ids(store, users[0]) == {first.id, made[3].id, key.id}


def test_a_refused_session_is_not_stored_and_ends_nothing(store, users):
    kept = {signed_in(store, users[0])[0].id for _ in range(2)}
    with pytest.raises(TooManySessions):
        signed_in(store, users[0], SessionLimit(2, end_oldest=False))
    assert ids(store, users[0]) == kept
    assert store.count() == 2


def test_only_live_sessions_of_the_user_and_of_the_transport_count(store, clock, users):
    limit = SessionLimit(1, end_oldest=False)
    signed_in(store, users[0], lifetime=timedelta(seconds=1))
    signed_in(store, users[0], idle_seconds=1)
    clock.move(seconds=1)
    signed_in(store, users[1])
    signed_in(store, users[0], transport="bearer")
    signed_in(store, None)
    assert signed_in(store, users[0], limit)[1] == []
    assert (
        signed_in(store, users[0], SessionLimit(2, end_oldest=False, transport="bearer"), transport="bearer")[
            1
        ]
        == []
    )
    with pytest.raises(TooManySessions):
        signed_in(store, users[0], limit)


def test_a_merge_that_signs_in_keeps_to_the_limit(store, clock, users):
    other, _ = signed_in(store, users[0])
    key = insert(store)
    facts = {"user_id": users[0]}
    with pytest.raises(TooManySessions):
        store.merge(
            key.id,
            key.secret_hash,
            SessionPatch('{"a": 1}', facts=facts, limit=SessionLimit(1, end_oldest=False)),
            None,
        )
    assert (data_of(store, key), ids(store, users[0])) == ({}, {other.id})
    changes = SessionPatch('{"a": 1}', facts=facts, limit=SessionLimit(1))
    assert store.merge(key.id, key.secret_hash, changes, None)[1] == [other.id]
    assert (data_of(store, key), ids(store, users[0])) == ({"a": 1}, {key.id})
    assert store.merge(key.id, key.secret_hash, changes, None)[1] == []  # it does not count itself


def test_a_merge_that_is_refused_ends_nothing(store, users):
    other, _ = signed_in(store, users[0])
    key = insert(store)
    rotate(store, key)
    with pytest.raises(StaleSession):
        store.merge(
            key.id, key.secret_hash, SessionPatch(facts={"user_id": users[0]}, limit=SessionLimit(1)), None
        )
    assert ids(store, users[0]) == {other.id}
