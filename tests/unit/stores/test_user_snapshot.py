"""A user as it was read: each instance made of it is of its own."""

from __future__ import annotations

from sessionkeeper.stores.user_snapshot import Snapshot


def snapshot(*values, is_current=True):
    return Snapshot(list, ("id", "options")[: len(values)], values, lambda: is_current).detached()


def test_two_requests_never_share_a_value_that_one_may_change():
    kept = snapshot(1, {"theme": "dark"})
    one, other = kept.user(), kept.user()
    one[1]["theme"] = "light"
    assert other[1] == {"theme": "dark"}
    assert kept.user()[1] == {"theme": "dark"}


def test_who_read_it_changes_nothing_that_is_kept():
    options = {"theme": "dark"}
    kept = snapshot(1, options)
    options["theme"] = "light"
    assert kept.user()[1] == {"theme": "dark"}


def test_plain_values_are_shared():
    name = "a long enough name"
    assert snapshot(1, name).is_immutable
    assert snapshot(1, name).user()[1] is name


def test_a_user_who_would_be_asked_for_in_another_way_now_is_not_made():
    assert snapshot(1, is_current=False).user() is None


def test_its_size_counts_what_is_inside_of_values():
    assert snapshot(1, {"a": ["x" * 1000]}).size() > snapshot(1, {"a": []}).size() + 1000
