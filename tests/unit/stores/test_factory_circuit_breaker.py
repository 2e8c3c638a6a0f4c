"""The breaker: a process does not wait for a dead store, looks now and then, and goes on with an answer."""

from __future__ import annotations

import logging
import os
import threading
import warnings

import pytest

from sessionkeeper.core.errors import SessionGone, StoreBusy, StoreUnavailable, StoreUnreachable
from sessionkeeper.stores import factory
from sessionkeeper.stores.factory import LEASE, OUTAGES, PAUSE, QUIET, CircuitBreaker

pytestmark = pytest.mark.rule("L04")


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Store:
    """Answers, or raises what it is told to; counts how often it was asked."""

    waits_in_loop, patience = False, 0.0

    def __init__(self):
        self.error, self.asked = None, 0

    def count(self):
        """Answer."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return 7


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def guard(store, clock):
    """The store behind a breaker, after a quiet time."""
    made = factory.CircuitBreakerStore(store, CircuitBreaker(clock))
    clock.now += QUIET
    return made


def kill(guard, store, times=OUTAGES):
    """Let the store fail so often."""
    store.error = StoreUnreachable()
    for _ in range(times):
        with pytest.raises(StoreUnreachable):
            guard.count()


def test_a_few_outages_do_not_open_it(guard, store):
    kill(guard, store, OUTAGES - 1)
    store.error = None
    assert guard.count() == 7
    kill(guard, store, OUTAGES - 1)
    assert not guard.breaker.is_open


def test_after_five_outages_the_store_is_not_asked(guard, store, caplog):
    with caplog.at_level(logging.WARNING, "sessionkeeper.store"):
        kill(guard, store)
        for _ in range(50):
            with pytest.raises(StoreUnavailable) as caught:
                guard.count()
    assert store.asked == OUTAGES
    assert caught.value.retry_after > 0
    assert [record.message for record in caplog.records] == [
        "The session store does not answer. Requests that need it are refused at once."
    ]
    counters = guard.breaker.counters
    assert (counters.outages, counters.opened, counters.refused, counters.probes) == (OUTAGES, 1, 50, 0)


def test_one_operation_is_let_through_after_a_pause_and_heals(guard, store, clock, caplog):
    kill(guard, store)
    clock.now += PAUSE
    with pytest.raises(StoreUnreachable):
        guard.count()
    with pytest.raises(StoreUnavailable, match="was refused"):
        guard.count()
    clock.now += PAUSE
    store.error = None
    caplog.clear()
    with caplog.at_level(logging.WARNING, "sessionkeeper.store"):
        assert guard.count() == 7
        assert guard.count() == 7
    assert caplog.messages == ["The session store answers again."]
    assert store.asked == OUTAGES + 3


def test_only_one_of_many_is_let_through(guard, store, clock):
    kill(guard, store)
    clock.now += PAUSE
    outcomes, barrier = [], threading.Barrier(20)

    def ask():
        barrier.wait(30)
        try:
            guard.count()
        except StoreUnreachable:
            outcomes.append("asked")
        except StoreUnavailable:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["asked"] + ["refused"] * 19


def test_operations_that_wait_count_too_and_their_answer_heals(guard, clock, store):
    waiting = [guard.breaker.enter() for _ in range(OUTAGES)]
    guard.breaker.leave(guard.breaker.enter(), None)  # they are late, and others are answered
    clock.now += QUIET
    with pytest.raises(StoreUnavailable, match="was refused"):
        guard.count()
    assert store.asked == 0
    guard.breaker.leave(waiting[0], None)
    assert guard.count() == 7


def test_operations_that_wait_for_something_else_while_others_are_answered_do_not_count(guard, clock):
    for _ in range(2 * OUTAGES):
        guard.breaker.enter()  # for a lock, say
    for _ in range(20):
        clock.now += QUIET / 2
        assert guard.count() == 7
    clock.now += 60  # nobody asks
    assert guard.count() == 7
    assert not guard.breaker.is_open


def test_a_probe_that_does_not_come_back_is_followed_by_another(guard, clock, store):
    kill(guard, store)
    clock.now += PAUSE
    guard.breaker.enter()
    clock.now += LEASE
    store.error = None
    assert guard.count() == 7
    assert PAUSE + LEASE <= 5


@pytest.mark.parametrize("error", [StoreUnavailable(), SessionGone()])
def test_what_the_store_answers_is_a_sign_of_life(guard, store, error):
    kill(guard, store, OUTAGES - 1)
    store.error = error
    with pytest.raises(type(error)):
        guard.count()
    kill(guard, store, OUTAGES - 1)
    assert not guard.breaker.is_open


def test_what_says_nothing_of_the_store_neither_opens_nor_closes_it(guard, store, clock):
    kill(guard, store)
    clock.now += PAUSE
    store.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        guard.count()
    assert guard.breaker.is_open


def test_a_refusal_by_our_own_queue_is_neither_silence_nor_a_sign_of_life(guard, store):
    store.error = StoreBusy()
    for _ in range(2 * OUTAGES):
        with pytest.raises(StoreBusy):
            guard.count()
    assert not guard.breaker.is_open
    kill(guard, store, OUTAGES - 1)
    store.error = StoreBusy()
    with pytest.raises(StoreBusy):
        guard.count()
    kill(guard, store, 1)
    assert guard.breaker.is_open


def test_a_store_that_tries_twice_is_waited_for_longer(clock):
    breaker = CircuitBreaker(clock, patience=3 * QUIET)
    for _ in range(OUTAGES):
        breaker.enter()
    clock.now += 2 * QUIET
    breaker.enter()
    clock.now += QUIET
    with pytest.raises(StoreUnavailable, match="was refused"):
        breaker.enter()


def test_a_store_that_answers_others_is_not_dead(guard, store, clock):
    """One of a Cluster's shards may be down: those of the others are let in."""
    for _ in range(20):
        store.error = None
        guard.count()
        clock.now += QUIET / 2
        kill(guard, store, OUTAGES)
    assert not guard.breaker.is_open


def test_a_child_of_a_fork_begins_anew(guard, store):
    kill(guard, store)
    guard.breaker._lock.acquire()  # as another thread of the parent may have it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            store.error = None
            os._exit(0 if not guard.breaker.is_open and guard.count() == 7 else 1)
    guard.breaker._lock.release()
    assert os.waitpid(child, 0)[1] == 0
    assert guard.breaker.is_open
