"""Whatever a session holds comes back from every store as it was put in."""

from __future__ import annotations

import datetime as dt
import json
import pickle

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionkeeper.engine import session_data
from sessionkeeper.stores import codec
from tests.stores import STORES, insert

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=STORES)
def store(request):
    """Every store."""
    return STORES[request.param]()


def through(store, data):
    """Store data and read it again."""
    return codec.decode(store.find(insert(store, data=codec.encode(data)).id).record.data)


def merged(store, before, data):
    """Store ``before``, merge what leads to ``data``, and read again."""
    key = insert(store, data=codec.encode(before))
    record = store.find(key.id).record
    store.merge(key.id, key.secret_hash, session_data.changes(record.data, data), record)
    return codec.decode(store.find(key.id).record.data)


def spelled(data):
    """Return a text that is the same for equal data with the same order inside of values."""
    return {name: json.dumps(value) for name, value in data.items()}


def deep(levels):
    """Return lists and objects inside of each other."""
    value = 1
    for _ in range(levels):
        value = {"b": [value], "a": 2}
    return value


VALUES = {
    "empty": "",
    "NUL": "a\0b",
    "NUL in a nested key": {"a\0b": 1},
    "lone surrogate": "x\ud800y",
    "lone low surrogate": "\udfff",
    "surrogate in a nested key": {"\ud800": 1},
    "other planes": "𝄞 🧑‍🚀",
    "accents, scripts": "Grüße, 世界, שלום",
    "escapes": 'a"b\\c\n\t\u2028</script>',
    "NaN": float("nan"),
    "infinity": [float("inf"), float("-inf")],
    "negative zero": -0.0,
    "small float": 5e-324,
    "float with exponent": 1e16,
    "greatest float": 1.7976931348623157e308,
    "float that is whole": 2.0,
    "many digits": 0.1 + 0.2,
    "huge int": 10**300,
    "negative huge int": -(2**64),
    "int beyond doubles": 2**53 + 1,
    "booleans": [True, False, None],
    "order of nested keys": {"b": 1, "a": 2, "cc": 3, "B": 4},
    "order by length": {"aaa": 1, "bb": 2, "c": 3},
    "order deep down": [{"x": {"z": 1, "y": [{"b": 1, "a": 2}]}}],
    "the codec's own words": {"$json": "1"},
    "the codec's own words inside": [{"$signed": "x"}, {"$json": {"$json": "2"}}],
    "the codec's own words beside others": {"$json": "1", "a": 2},
    "empty containers": [[], {}, [[]], {"a": {}}],
    "empty key": {"": 1},
    "numbers as keys": {"1": 1, "2": {"10": 1, "9": 2}},
    "deep": deep(150),
    "long": "é" * 100_000,
    "JSON in text": '{"$json": "[1, 2]"}',
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was_put_in(store, name):
    data = {"value": VALUES[name], "other": 1}
    assert spelled(through(store, data)) == spelled(data)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_merged_as_it_was_put_in(store, name):
    data = {"value": VALUES[name], "other": 1}
    assert spelled(merged(store, {"other": 1, "dropped": 2}, data)) == spelled(data)


@pytest.mark.parametrize(
    "name", ["$json", "$signed", "", " ", "é", "a.b", "$", "a'b\"c", "%s", "{}", "🧑‍🚀", "x" * 5000]
)
def test_any_name_is_a_name(store, name):
    data = {name: [1], "other": {"$json": "x"}}
    assert spelled(through(store, data)) == spelled(data)
    assert spelled(merged(store, {}, data)) == spelled(data)
    assert spelled(merged(store, data, {"other": 1})) == {"other": "1"}


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_database_holds_is_refused_before_it_is_sent(name):
    with pytest.raises(ValueError, match="NUL or lone surrogates"):
        codec.encode({name: 1})


def test_names_that_are_no_text_become_what_json_makes_of_them(store):
    data = {7: "a", None: "b", True: "c", 2.5: "d"}
    assert through(store, data) == {"7": "a", "null": "b", "true": "c", "2.5": "d"}
    assert merged(store, {"kept": 1}, {**data, "kept": 1}) == {
        "7": "a",
        "null": "b",
        "true": "c",
        "2.5": "d",
        "kept": 1,
    }


def test_nested_names_that_are_no_text_become_text_too(store):
    assert through(store, {"a": {1: {2: 3}}}) == {"a": {"1": {"2": 3}}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), json_values, max_size=4
    )
)
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
def test_any_json_comes_back_and_is_found_unchanged(store, data):
    came_back = through(store, data)
    assert spelled(came_back) == spelled(data)
    record = store.find(insert(store, data=codec.encode(data)).id).record
    assert session_data.is_nothing(session_data.changes(record.data, data))


class WithDates:
    """A JSON serializer that knows dates, as projects write them."""

    def dumps(self, data):
        return json.dumps(data, cls=DjangoJSONEncoder).encode("latin-1")

    def loads(self, data):
        return json.loads(data.decode("latin-1"), object_hook=self._dates)

    def _dates(self, found):
        for name, value in found.items():
            if name.endswith("_at"):
                found[name] = dt.datetime.fromisoformat(value)
        return found


class Pickle:
    """What Django's PickleSerializer was."""

    def dumps(self, data):
        return pickle.dumps(data)

    def loads(self, data):
        return pickle.loads(data)


class Reversed:
    """A serializer that writes text that is no JSON."""

    def dumps(self, data):
        return json.dumps(data)[::-1].encode()

    def loads(self, data):
        return json.loads(data.decode()[::-1])


MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def test_a_json_serializer_of_the_projects_own_is_used(store, settings):
    settings.SESSION_SERIALIZER = f"{__name__}.WithDates"
    data = {"seen_at": MOMENT, "nested": {"due_at": MOMENT, "b": 1, "a": 2}, "text": "é"}
    assert through(store, data) == data
    assert merged(store, {"x": 1}, data) == data
    record = store.find(insert(store, data=codec.encode(data)).id).record
    assert session_data.is_nothing(session_data.changes(record.data, data))


def test_a_changed_date_is_found(store, settings):
    settings.SESSION_SERIALIZER = f"{__name__}.WithDates"
    later = MOMENT + dt.timedelta(microseconds=1000)
    assert merged(store, {"seen_at": MOMENT}, {"seen_at": later}) == {"seen_at": later}


@pytest.mark.parametrize("serializer", ["Pickle", "Reversed"])
def test_output_that_is_not_json_travels_signed(store, settings, serializer):
    settings.SESSION_SERIALIZER = f"{__name__}.{serializer}"
    data = {"text": "é", "list": [1, {"b": 1, "a": 2}]}
    assert through(store, data) == data
    assert merged(store, {"x": 1}, data) == data
    record = store.find(insert(store, data=codec.encode(data)).id).record
    assert session_data.is_nothing(session_data.changes(record.data, data))


def test_objects_survive_a_serializer_that_takes_them(store, settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Pickle"
    assert through(store, {"set": {1, 2}, 5: MOMENT}) == {"set": {1, 2}, "5": MOMENT}
