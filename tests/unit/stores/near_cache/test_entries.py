"""What a near cache remembers is bounded, and a read that is over leaves nothing behind."""

from __future__ import annotations

import gc
import threading

import pytest

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.stores.near_cache.entries import OVERHEAD
from tests.near_sides import Sides, sign_in
from tests.unit.stores.near_cache.remembering import remembered

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_there_are_never_more_entries_than_allowed_and_the_least_used_goes_first(monkeypatch, make_user):
    sides = Sides(monkeypatch, entries=2)
    first, second, third = (sign_in(make_user()) for _ in range(3))
    for key in (first, second, first, third):
        sides.ask(key)
    assert [remembered(sides, key) for key in (first, second, third)] == [True, False, True]
    assert (len(sides.here.entries), sides.here.counters.evicted) == (2, 1)


def test_entries_never_take_more_memory_than_allowed(monkeypatch, make_user):
    sides = Sides(monkeypatch, bytes=3 * OVERHEAD)
    for _ in range(4):
        sides.ask(sign_in(make_user()))
    assert 0 < len(sides.here.entries) < 3
    assert 0 < sides.here.entries.bytes <= 3 * OVERHEAD


def test_dropping_all_entries_gives_all_memory_back(sides, key, user):
    registry.revoke_all(user)
    assert (len(sides.here.entries), sides.here.entries.bytes, sides.here.entries._ids_of) == (0, 0, {})


def test_a_read_that_is_over_leaves_nothing_behind(sides, key):
    sides.here.find(keys.mint().id, principal=True)
    gc.collect()
    assert len(sides.here.entries._tickets) == 0


def test_threads_that_fill_and_drop_leave_the_books_in_order(sides, key, user):
    entries = sides.here.entries
    record = sides.here.recall(keys.parse(key).id).record
    kept = next(iter(entries._entries.values()))[0]
    problems = []

    def work(seed):
        try:
            for number in range(300):
                session_id = (number * seed) % 20
                mine = kept._replace(record=record._replace(id=session_id, user_id=session_id % 3))
                entries.fill(entries.begin(1, 0), mine, 1)
                entries.get((session_id + 1) % 20, 1, 0)
                entries.drop([f"s:{(session_id + 2) % 20}", f"u:{number % 7}"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must know
            problems.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = {session_id for ids in entries._ids_of.values() for session_id in ids}
    assert problems == []
    assert held == set(entries._entries)
    assert entries.bytes == sum(size for _, size in entries._entries.values())
    entries.drop(["*"])
    assert (len(entries), entries.bytes, entries._ids_of) == (0, 0, {})
