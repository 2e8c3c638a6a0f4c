"""What a save writes: the keys that changed, and the user whom the data names."""

from __future__ import annotations

import pytest

from sessionkeeper.engine.session_store import SessionStore
from tests.unit.saved import row, saved

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_only_changed_keys_are_written(do):
    first = saved(kept=1, changed=1, dropped=1)
    second = SessionStore(first.session_key)
    do(second, "get", "kept")
    do(first, "set", "kept", 2)
    do(first, "save")
    do(second, "set", "changed", 2)
    do(second, "pop", "dropped")
    do(second, "save")
    assert row(first).data == {"kept": 2, "changed": 2}


@pytest.mark.parametrize(
    ("method", "args", "data"),
    [
        ("update", ({"b": 2},), {"a": [1], "b": 2}),
        ("setdefault", ("b", 2), {"a": [1], "b": 2}),
        ("setdefault", ("a", 2), {"a": [1]}),
        ("pop", ("a",), {}),
        ("set", ("a", None), {"a": None}),
    ],
)
def test_every_way_to_change_is_saved_and_leaves_the_rest(method, args, data, do):
    first = saved(a=[1])
    second = SessionStore(first.session_key)
    do(first, method, *args)
    do(second, "set", "other", 1)
    do(second, "save")
    do(first, "save")
    assert row(first).data == {**data, "other": 1}


def test_a_value_changed_in_place_is_found(do):
    first = saved(cart={"items": [1]}, other=1)
    second = SessionStore(first.session_key)
    do(second, "set", "other", 2)
    do(second, "save")
    do(first, "get", "cart")["items"].append(2)
    first.modified = True
    do(first, "save")
    assert row(first).data == {"cart": {"items": [1, 2]}, "other": 2}


def test_a_value_changed_in_place_after_a_save_is_found_too(do):
    session = saved(cart=[1])
    for number in (2, 3):
        do(session, "get", "cart").append(number)
        do(session, "save")
    assert row(session).data == {"cart": [1, 2, 3]}


def test_an_order_inside_of_a_value_is_a_change(do):
    session = saved(order={"a": 1, "b": 2})
    do(session, "set", "order", {"b": 2, "a": 1})
    do(session, "save")
    assert list(do(SessionStore(session.session_key), "get", "order")) == ["b", "a"]


def test_true_and_one_are_different_values(do):
    session = saved(a=1, b=1.0)
    do(session, "set", "a", True)
    do(session, "set", "b", 1)
    do(session, "save")
    assert repr(do(SessionStore(session.session_key), "get", "a")) == "True"
    assert repr(do(SessionStore(session.session_key), "get", "b")) == "1"


def test_clear_drops_also_what_others_wrote():
    first = saved(a=1)
    second = SessionStore(first.session_key)
    second["b"] = 1
    second.save()
    first.clear()
    first["c"] = 1
    first.save()
    assert row(first).data == {"c": 1}


def test_names_that_are_no_text_are_stored_as_json_does(do):
    session = saved(a=1)
    do(session, "set", 5, "five")
    do(session, "save")
    loaded = SessionStore(session.session_key)
    assert do(loaded, "get", "5") == "five"
    do(loaded, "pop", "5")
    do(loaded, "save")
    assert row(session).data == {"a": 1}


def test_saving_twice_writes_the_second_change_only(do):
    session = SessionStore()
    do(session, "set", "a", 1)
    do(session, "save")
    other = SessionStore(session.session_key)
    do(other, "set", "a", 2)
    do(other, "save")
    do(session, "set", "b", 1)
    do(session, "save")
    assert row(session).data == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "value",
    ["", "nobody", "-", "\0", "\ud800", [], {}, [1], 10**40, str(10**40), -(2**70), 1.5, 1e400, float("nan")],
)
def test_what_is_no_users_key_is_kept_as_data_and_nobody_is_signed_in(do, value):
    session = saved(_auth_user_id=value)
    stored = row(session)
    assert stored.user_id is None or isinstance(value, float)
    assert repr(do(SessionStore(session.session_key), "get", "_auth_user_id")) == repr(value)
    later = saved(a=1)
    do(later, "set", "_auth_user_id", value)
    do(later, "save")
    assert row(later).data["a"] == 1
