"""A model beside a store: whatever is done in whatever order, the store says what the model says.

The model is a page of plain Python that knows nothing of hashes, rows or scripts: which sessions there are,
what is in them, which secrets open them, and which have been ended for good.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from sessionkeeper.core import keys
from sessionkeeper.core.errors import IdTaken, SessionGone, StaleSession
from sessionkeeper.core.records import NewSession, SessionPatch, is_live
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.factory import CircuitBreakerStore
from tests.memory_store import MemoryStore
from tests.stores import Clock, redis_store

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]
STORES = {
    "memory": MemoryStore,
    "database": DatabaseStore,
    "valkey": partial(redis_store, "valkey"),
    "guarded-valkey": lambda **options: CircuitBreakerStore(redis_store("valkey", **options)),
}
NAMES = st.sampled_from(["a", "b", "cart", "d:a", "ü", ""])
#: Without NUL, as the codec writes it: see test_values.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
VALUES = st.one_of(st.none(), st.integers(-9, 9), TEXTS, st.lists(st.booleans(), max_size=2))
DATA = st.dictionaries(NAMES, VALUES, max_size=3)


@dataclass
class Modelled:
    """What is known of one session."""

    id: int
    secret: bytes
    family: bytes
    user: object
    data: dict
    idle: int | None
    ends: object
    seen: object
    previous: bytes | None = None
    spent: list = field(default_factory=list)

    def opens(self, secret):
        """Whether a write with this secret is let in."""
        return secret in {self.secret, self.previous}

    def is_over(self, now):
        """Whether one of its limits has passed."""
        return self.ends <= now or (self.idle is not None and self.seen + timedelta(seconds=self.idle) <= now)


class Machine(RuleBasedStateMachine):
    """Does the same to a store and to the model."""

    sessions = Bundle("sessions")

    def __init__(self, make, users):
        super().__init__()
        Session.objects.all().delete()  # of the run before
        self.clock = Clock()
        self.store = make(clock=self.clock)
        self.users = [*users, None]
        self.there, self.ended = {}, {}

    @rule(
        target=sessions,
        user=st.integers(0, 2),
        data=DATA,
        idle=st.sampled_from([None, 60, 3600]),
        life=st.sampled_from([timedelta(seconds=1), timedelta(hours=1), timedelta(days=30)]),
    )
    def create(self, user, data, idle, life):
        key = keys.mint()
        self.store.insert(
            NewSession(
                key.id, key.secret_hash, key.family_hash, life, idle, json.dumps(data), self.users[user]
            )
        )
        now = self.clock.now
        made = Modelled(
            key.id, key.secret_hash, key.family_hash, self.users[user], data, idle, now + life, now
        )
        self.there[key.id] = made
        return made

    @rule(one=sessions)
    def create_again(self, one):
        new = NewSession(one.id, b"n" * 32, b"f" * 32, timedelta(days=1), None)
        if one.id in self.there:
            with pytest.raises(IdTaken):
                self.store.insert(new)

    @rule(one=sessions)
    def load(self, one):
        found = self.store.find(one.id)
        if one.id not in self.there:
            assert found is None
            return
        record = found.record
        assert found.now == self.clock.now
        assert json.loads(record.data) == one.data
        assert (record.secret_hash, record.family_hash) == (one.secret, one.family)
        assert (record.previous_hash, record.user_id) == (one.previous, one.user)
        assert (record.last_seen_at, record.expires_at) == (one.seen, one.ends)
        assert is_live(record, found.now) is not one.is_over(self.clock.now)

    def _refusal(self, one, secret):
        if one.id not in self.there:
            return SessionGone
        return None if one.opens(secret) else StaleSession

    def _secret(self, one, old):
        return one.spent[old % len(one.spent)] if old is not None and one.spent else one.secret

    @rule(
        one=sessions,
        patch=DATA,
        deleted=st.lists(NAMES, max_size=2),
        replace=st.booleans(),
        user=st.one_of(st.none(), st.integers(0, 1)),
        old=st.one_of(st.none(), st.integers(0, 5)),
    )
    def merge(self, one, patch, deleted, replace, user, old):
        secret = self._secret(one, old)
        deleted = tuple(name for name in dict.fromkeys(deleted) if name not in patch)
        facts = {} if user is None else {"user_id": self.users[user]}
        change = SessionPatch(json.dumps(patch), () if replace else deleted, replace=replace, facts=facts)
        refusal = self._refusal(one, secret)
        if refusal:
            with pytest.raises(refusal):
                self.store.merge(one.id, secret, change, None)
            return
        record, _ = self.store.merge(one.id, secret, change, None)
        kept = {} if replace else {name: value for name, value in one.data.items() if name not in deleted}
        one.data, one.seen = {**kept, **patch}, self.clock.now
        one.user = facts.get("user_id", one.user)
        assert (json.loads(record.data), record.user_id) == (one.data, one.user)
        assert (record.secret_hash, record.last_seen_at) == (one.secret, one.seen)

    @rule(one=sessions, old=st.one_of(st.none(), st.integers(0, 5)))
    def rotate(self, one, old):
        secret, new = self._secret(one, old), keys.mint()
        refusal = self._refusal(one, secret)
        if refusal:
            with pytest.raises(refusal):
                self.store.rotate(one.id, secret, new.secret_hash, new.family_hash)
            return
        self.store.rotate(one.id, secret, new.secret_hash, new.family_hash)
        one.spent += [one.secret, *([one.previous] if one.previous else [])]
        one.secret, one.family, one.previous, one.seen = (
            new.secret_hash,
            new.family_hash,
            None,
            self.clock.now,
        )

    @rule(one=sessions, old=st.one_of(st.none(), st.integers(0, 5)))
    def renew(self, one, old):
        secret, new = self._secret(one, old), keys.mint()
        done = self.store.renew(one.id, secret, new.secret_hash, new.family_hash)
        assert done is (one.id in self.there and secret == one.secret)
        if done:
            one.spent += [one.previous] if one.previous else []
            one.previous, one.secret, one.family = secret, new.secret_hash, new.family_hash
            one.seen = self.clock.now

    @rule(one=sessions, old=st.one_of(st.none(), st.integers(0, 5)))
    def touch(self, one, old):
        secret = self._secret(one, old)
        done = self.store.touch(one.id, secret)
        assert done is (self._refusal(one, secret) is None)
        if done:
            one.seen = self.clock.now

    @rule(one=sessions, old=st.one_of(st.none(), st.integers(0, 5)), proven=st.booleans())
    def revoke(self, one, old, proven):
        secret = self._secret(one, old)
        ended = self.store.revoke(one.id, secret if proven else None)
        assert bool(ended) is (one.id in self.there and (not proven or one.opens(secret)))
        if ended:
            self._end(one.id)

    @rule(one=consumes(sessions))
    def sign_out_for_good(self, one):
        assert bool(self.store.revoke(one.id)) is (one.id in self.there)
        self._end(one.id)

    @rule(user=st.integers(0, 1), spared=st.one_of(st.none(), sessions))
    def revoke_all(self, user, spared):
        except_ = None if spared is None else spared.id
        mine = [one.id for one in self.there.values() if one.user == self.users[user] and one.id != except_]
        assert {one.id for one in self.store.revoke_all(self.users[user], except_)} == set(mine)
        for session_id in mine:
            self._end(session_id)

    @rule(seconds=st.sampled_from([1, 59, 61, 3600, 90_000]))
    def time_passes(self, seconds):
        self.clock.move(seconds=seconds)

    @rule(batch=st.integers(1, 4))
    def purge(self, batch):
        removed, after = 0, 0
        while after is not None:
            some, _, after = self.store.purge(batch, after)
            removed += some
        over = {one.id for one in self.there.values() if one.is_over(self.clock.now)}
        assert removed == len(over)
        assert {record.id for record in self.store.scan(len(self.there) + 1)} == self.there.keys() - over
        for session_id in over:
            self._end(session_id)

    def _end(self, session_id):
        self.ended[session_id] = self.there.pop(session_id, None) or self.ended[session_id]

    @invariant()
    def lists_name_every_session_of_a_user_and_no_other(self):
        for user in self.users[:2]:
            mine = sorted((one.id for one in self.there.values() if one.user == user), reverse=True)
            assert [record.id for record in self.store.list_for(user)] == mine

    @invariant()
    def what_ended_is_never_there_again(self):
        assert not [session_id for session_id in self.ended if self.store.find(session_id) is not None]
        assert [record.id for record in self.store.scan(100)] == sorted(self.there, reverse=True)
        assert self.store.count() == len(self.there)


@pytest.mark.rule("R09", "R10", "R12")
@pytest.mark.parametrize("name", STORES)
@pytest.mark.rule("L10")
def test_a_store_does_what_its_model_does(name, make_user):
    users = make_user().pk, make_user().pk
    run_state_machine_as_test(
        lambda: Machine(STORES[name], users),
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
