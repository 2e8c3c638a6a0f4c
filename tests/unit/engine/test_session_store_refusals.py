"""What cannot be stored, or read again, is refused where code sets it: not at the end of the request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync

from sessionkeeper.engine.session_store import SessionStore
from tests import contents

pytestmark = pytest.mark.django_db

WAYS = {
    "[]": lambda session, name, value: session.__setitem__(name, value),
    "setdefault": lambda session, name, value: session.setdefault(name, value),
    "update": lambda session, name, value: session.update({name: value}),
    "update by pairs": lambda session, name, value: session.update([(name, value)]),
    "aset": lambda session, name, value: async_to_sync(session.aset)(name, value),
    "asetdefault": lambda session, name, value: async_to_sync(session.asetdefault)(name, value),
    "aupdate": lambda session, name, value: async_to_sync(session.aupdate)({name: value}),
}
NAMES = ["\0", "a\0b", "\ud800", "a\udfff", "a" * 100 + "\0"]


@pytest.fixture(params=["new", "stored"])
def session(request):
    made = SessionStore()
    if request.param == "stored":
        made["before"] = 1
        made.save()
        made = SessionStore(made.session_key)
    return made


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_not_every_database_stores_is_refused_where_it_is_set(session, way, name):
    before = dict(session.items())
    with pytest.raises(ValueError, match="NUL or lone surrogates"):
        WAYS[way](session, name, 1)
    assert dict(session.items()) == before
    session["a"] = 1
    session.save()
    assert contents.data() == {**before, "a": 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [(1, 2), b"bytes", frozenset()])
def test_a_name_that_json_does_not_have_is_refused_where_it_is_set(session, way, name):
    with pytest.raises(TypeError):
        WAYS[way](session, name, 1)
    session.save()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [1, None, True, 1.5, "", "ü", "\U0001f600", "\x01"])
def test_every_other_name_is_stored(session, way, name):
    WAYS[way](session, name, 1)
    session.save()
    assert 1 in dict(SessionStore(session.session_key).items()).values()


@pytest.mark.parametrize("way", WAYS)
def test_names_inside_of_values_are_stored_as_they_are(session, way):
    value = {"\0": ["\ud800", {"a\0": 1}], "": {"\udfff": None}}
    WAYS[way](session, "a", value)
    session.save()
    assert SessionStore(session.session_key)["a"] == value


def test_of_several_names_one_of_which_is_refused_none_is_set(session):
    before = dict(session.items())
    with pytest.raises(ValueError, match="NUL"):
        session.update({"a": 1, "\0": 2})
    assert dict(session.items()) == before


EXPIRIES = {
    "set_expiry": lambda session, value: session.set_expiry(value),
    "aset_expiry": lambda session, value: async_to_sync(session.aset_expiry)(value),
}
NO_EXPIRIES = {
    "naive": (datetime(2030, 1, 1), ValueError, "aware"),  # noqa: DTZ001 - what is refused
    "too many seconds": (10**12, ValueError, "beyond"),
    "too few seconds": (-(10**12), ValueError, "beyond"),
    "far too many seconds": (10**400, ValueError, "beyond"),
    "infinite": (float("inf"), ValueError, "beyond"),
    "less than everything": (float("-inf"), ValueError, "beyond"),
    "not a number": (float("nan"), ValueError, "beyond"),
    "too long": (timedelta.max, ValueError, "no date can express"),
    "text": ("tomorrow", ValueError, "tomorrow"),
    "naive text": ("2030-01-01T00:00:00", ValueError, "aware"),
    "decimal": (Decimal(1), TypeError, "Decimal"),
    "list": ([1], TypeError, "list"),
}


@pytest.mark.parametrize("way", EXPIRIES)
@pytest.mark.parametrize("kind", NO_EXPIRIES)
def test_what_is_no_expiry_is_refused_at_once(session, way, kind):
    value, error, words = NO_EXPIRIES[kind]
    before, modified = dict(session.items()), session.modified
    with pytest.raises(error, match=words):
        EXPIRIES[way](session, value)
    assert (dict(session.items()), session.modified) == (before, modified)


@pytest.mark.parametrize("way", WAYS)
def test_djangos_own_key_of_the_expiry_is_held_to_it_too(session, way):
    with pytest.raises(ValueError, match="beyond"):
        WAYS[way](session, "_session_expiry", float("nan"))


def test_without_time_zones_both_kinds_of_datetimes_are_taken(session, settings):
    settings.USE_TZ = False
    for value in (datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1)):  # noqa: DTZ001 - as USE_TZ says
        session.set_expiry(value)
        session.save()


@pytest.mark.parametrize("way", EXPIRIES)
@pytest.mark.parametrize(
    "value",
    [0, 1, -1, True, 1.5, 10**11, None, timedelta(days=1), timedelta(-1), datetime(2030, 1, 1, tzinfo=UTC)],
)
def test_every_other_expiry_is_taken_and_told(session, way, value):
    session["a"] = 1
    EXPIRIES[way](session, value)
    assert isinstance(session.get_expiry_age(), int | float)
    assert session.get_expiry_date().tzinfo is not None
    session.save()
