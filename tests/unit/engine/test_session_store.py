"""The engine: everything that Django promises of a session, sync and async, and what we promise on top."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import SuspiciousOperation
from django.utils import timezone

from sessionkeeper.core import keys, records
from sessionkeeper.core.errors import SessionTooLarge
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.stores import insert
from tests.unit.saved import queries, row, saved

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_a_new_session_has_what_djangos_begins_with():
    """Ours does not call Django's ``__init__``, which looks up the serializer each time."""
    ours, djangos = SessionStore("a" * 40), SessionBase("a" * 40)
    theirs = vars(djangos).keys() - {"_SessionBase__session_key"}  # the key in clear text
    assert {name: getattr(ours, name) for name in theirs} == {name: vars(djangos)[name] for name in theirs}
    assert ours.session_key == ours._session_key == djangos.session_key


def age(session, **duration):
    """Let a stored session grow older."""
    times = ("created_at", "authenticated_at", "last_seen_at", "expires_at")
    contents.set_back(*times, session_id=keys.parse(session.session_key).id, **duration)


# Keys


@pytest.mark.parametrize(
    "key", ["", "abc", "a" * 39, "a" * 41, "_" * 40, "é" * 40, "a" * 39 + "\0", "a" * 39 + "\n", "x" * 10_000]
)
def test_a_key_of_another_shape_never_reaches_the_store(key, do):
    with queries() as asked:
        session = SessionStore(key)
        assert do(session, "get", "a") is None
        assert session.session_key is None
        assert do(SessionStore(), "exists", key) is False
        do(SessionStore(), "delete", key)
    assert len(asked) == 0


@pytest.mark.rule("R03")
def test_a_key_that_nobody_minted_is_not_taken_over(do):
    wanted = keys.mint().text
    session = SessionStore(wanted)
    do(session, "set", "a", 1)
    do(session, "save")
    assert session.session_key != wanted
    assert keys.parse(session.session_key).id != keys.parse(wanted).id


def test_a_known_id_with_another_secret_opens_nothing(do):
    session = saved(a=1)
    key = keys.rotate(keys.parse(session.session_key)).text
    thief = SessionStore(key)
    assert do(thief, "get", "a") is None
    assert do(thief, "exists", key) is False
    do(thief, "delete", key)
    assert do(SessionStore(session.session_key), "get", "a") == 1


def test_only_the_exact_key_exists(do):
    session = saved(a=1)
    assert do(session, "exists", session.session_key) is True
    assert do(session, "exists", keys.mint().text) is False
    assert do(session, "exists", None) is False


def test_a_bearer_session_is_not_opened_by_a_cookie():
    key = insert(get_store(), transport="bearer", data='{"a": 1}')
    session = SessionStore(key.text)
    assert session.get("a") is None
    assert session.session_key is None


def test_a_session_whose_data_cannot_be_read_is_ended_and_said_so(caplog):
    session = saved(a=1)
    contents.spoil()
    assert session.get("a") is None
    assert contents.count() == 0
    assert "cannot be read" in caplog.text
    assert keys.parse(saved(a=1).session_key).secret not in caplog.text


# Reading and writing


@pytest.mark.database_store_only("counts statements")
def test_a_session_is_one_insert_and_one_select(do):
    session = SessionStore()
    do(session, "set", "a", 1)
    with queries() as asked:
        do(session, "save")
    assert [q["sql"].split()[0] for q in asked if "SAVEPOINT" not in q["sql"]] == ["INSERT"]
    with queries() as asked:
        assert do(SessionStore(session.session_key), "get", "a") == 1
    assert len(asked) == 1


def test_a_save_of_a_key_that_was_never_read_merges_under_that_key(do):
    key = saved(a=1).session_key
    session = SessionStore(key)
    session._session_cache = {"b": 2}
    do(session, "save")
    assert row(session).data == {"a": 1, "b": 2}
    assert session.session_key == key


# Sessions that ended


def test_flush_ends_the_session_and_leaves_an_empty_one(do):
    session = saved(a=1)
    key = session.session_key
    do(session, "get", "a")
    do(session, "flush")
    assert session.session_key is None
    assert dict(session.items()) == {}
    assert SessionStore(key).get("a") is None
    assert contents.count() == 0


@pytest.mark.database_store_only("counts statements")
def test_flush_of_a_session_that_was_never_read_ends_it_in_one_statement(do):
    session = saved(a=1)
    with queries() as asked:
        do(session, "flush")
    assert contents.count() == 0
    assert len(asked) == 1


def test_a_session_used_after_flush_is_a_new_one(do):
    session = saved(a=1)
    old = keys.parse(session.session_key)
    do(session, "flush")
    do(session, "set", "b", 1)
    do(session, "save")
    assert keys.parse(session.session_key).id != old.id
    assert row(session).data == {"b": 1}


def test_flush_after_rotation_ends_the_session(do):
    session = saved(a=1)
    do(session, "cycle_key")
    do(session, "flush")
    assert contents.count() == 0


def test_delete_by_another_key_leaves_ones_own_session(do):
    session, other = saved(a=1), saved(a=2)
    do(session, "delete", other.session_key)
    assert contents.data() == {"a": 1}


# Rotation


def test_a_visitor_without_a_session_is_given_a_key_without_a_statement(do):
    session = SessionStore()
    with queries() as asked:
        do(session, "cycle_key")
    assert len(asked) == 0
    assert keys.parse(session.session_key)
    do(session, "set", "a", 1)
    do(session, "save")
    assert row(session).data == {"a": 1}


# Expiry


def test_an_int_sets_the_idle_timeout(do):
    session = saved(a=1)
    absolute = row(session).expires_at
    do(session, "set_expiry", 300)
    do(session, "save")
    assert row(session).idle_seconds == 300
    assert row(session).expires_at == absolute
    assert do(session, "get_expiry_age") == 300
    age(session, seconds=301)
    assert SessionStore(session.session_key).get("a") is None


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_timedelta_and_a_datetime_set_the_absolute_expiry(do, settings, use_tz):
    settings.USE_TZ = use_tz
    for value in (timedelta(hours=3), timezone.now() + timedelta(hours=3)):
        session = saved(a=1)
        do(session, "set_expiry", value)
        do(session, "save")
        stored = row(session)
        assert abs(stored.expires_at - registry.now() - timedelta(hours=3)) < timedelta(seconds=10)
        assert stored.idle_seconds is None
        assert do(session, "get_expiry_age") in range(3 * 3600 - 10, 3 * 3600 + 1)
        assert do(SessionStore(session.session_key), "get", "a") == 1


def test_none_brings_the_default_back(do):
    session = saved(a=1)
    before = row(session)
    do(session, "set_expiry", 300)
    do(session, "save")
    do(session, "set_expiry", None)
    do(session, "save")
    assert row(session).idle_seconds == before.idle_seconds == 1209600
    assert abs(row(session).expires_at - before.expires_at) < timedelta(seconds=1)
    assert do(session, "get_expiry_age") == 1209600


def test_zero_ends_the_cookie_with_the_browser_and_keeps_the_idle_timeout(do):
    session = saved(a=1)
    do(session, "set_expiry", 0)
    do(session, "save")
    loaded = SessionStore(session.session_key)
    assert do(loaded, "get", "a") == 1
    assert do(loaded, "get_expire_at_browser_close") is True
    assert loaded.cookie_age() is None
    assert row(session).idle_seconds == 1209600


@pytest.mark.parametrize("seconds", [-1, -(10**10)])
def test_a_negative_number_has_ended(do, seconds):
    session = saved(a=1)
    do(session, "set_expiry", seconds)
    do(session, "save")
    assert SessionStore(session.session_key).get("a") is None


@pytest.mark.parametrize("seconds", [2**31, 10**11])
def test_a_huge_number_does_not_end_and_does_not_break(do, seconds):
    session = saved(a=1)
    do(session, "set_expiry", seconds)
    do(session, "save")
    age(session, days=13)
    assert do(SessionStore(session.session_key), "get", "a") == 1
    assert row(session).idle_seconds == 2**31 - 1


@pytest.mark.parametrize(
    "moment", [datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)]
)
def test_the_first_and_the_last_moment_do_not_break(do, moment):
    session = saved(a=1)
    do(session, "set_expiry", moment)
    do(session, "save")
    assert (do(SessionStore(session.session_key), "get", "a") == 1) == (moment.year == 9999)


@pytest.mark.parametrize("value", [300, 10**11, timedelta(days=300), datetime(2200, 1, 1, tzinfo=UTC)])
def test_no_session_outlives_what_the_site_configured(do, settings, value):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 100, "ABSOLUTE_TIMEOUT": 1000}
    session = SessionStore()
    do(session, "set_expiry", value)
    do(session, "set", "a", 1)
    do(session, "save")
    stored = row(session)
    assert stored.idle_seconds == 100
    assert stored.expires_at - stored.created_at <= timedelta(seconds=1000)


@pytest.mark.rule("R13")
def test_a_new_expiry_does_not_restart_the_absolute_timeout(do):
    session = saved(a=1)
    age(session, days=10)
    expires = row(session).expires_at
    do(session, "set_expiry", 10**6)
    do(session, "save")
    assert abs(row(session).expires_at - expires) < timedelta(seconds=1)


def test_an_anonymous_session_lives_fourteen_days_and_an_authenticated_one_thirty(make_user):
    anonymous, signed_in = saved(a=1), saved(_auth_user_id=str(make_user().pk))
    for session, days in ((anonymous, 14), (signed_in, 30)):
        stored = row(session)
        assert stored.expires_at - stored.created_at == timedelta(days=days)


@pytest.mark.rule("R11")
def test_a_session_ends_at_its_idle_timeout(settings, do):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 1000}
    session = saved(a=1)
    age(session, seconds=990)
    assert do(SessionStore(session.session_key), "get", "a") == 1
    age(session, seconds=1001)
    assert do(SessionStore(session.session_key), "get", "a") is None


@pytest.mark.rule("R13")
def test_a_session_that_is_used_ends_at_its_absolute_timeout(settings, do):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 1000, "ABSOLUTE_TIMEOUT": 3000}
    session = saved(a=1)
    for _ in range(3):
        age(session, seconds=900)
        assert do(SessionStore(session.session_key), "get", "a") == 1
    age(session, seconds=400)
    assert do(SessionStore(session.session_key), "get", "a") is None


@pytest.mark.rule("R11")
@pytest.mark.database_store_only("counts statements")
def test_reading_keeps_a_session_alive_and_writes_once_per_interval(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 1000}
    session = saved(a=1)
    with queries() as asked:
        SessionStore(session.session_key).get("a")
    assert len(asked) == 1
    age(session, seconds=51)
    with queries() as asked:
        SessionStore(session.session_key).get("a")
    assert [q["sql"].split()[0] for q in asked] == ["SELECT", "UPDATE"]
    with queries() as asked:
        SessionStore(session.session_key).get("a")
    assert len(asked) == 1


@pytest.mark.database_store_only("counts statements")
def test_the_touch_interval_can_be_set(settings):
    settings.SESSIONKEEPER = {"TOUCH_INTERVAL": 10}
    session = saved(a=1)
    age(session, seconds=11)
    with queries() as asked:
        SessionStore(session.session_key).get("a")
    assert len(asked) == 2


def test_an_expired_session_that_was_not_purged_cannot_be_written_to(do):
    session = saved(a=1)
    age(session, days=100)
    key = session.session_key
    do(session, "set", "b", 1)
    do(session, "save")
    assert session.session_key != key
    assert row(session).data == {"b": 1}


def test_get_expiry_date_is_age_from_now(do):
    session = saved(a=1)
    do(session, "set_expiry", 600)
    assert abs(do(session, "get_expiry_date") - timezone.now() - timedelta(seconds=600)) < timedelta(
        seconds=5
    )


MINUTE = {"IDLE_TIMEOUT": 60}
TELLS = {
    # what is configured, what set_expiry() is given, and the age that is told
    "an idle timeout": (MINUTE, None, 60),
    "and a longer choice": (MINUTE, 3600, 60),
    "and a shorter choice": (MINUTE, 10, 10),
    "and a moment": (MINUTE, timedelta(hours=3), 60),
    "and the browser's session": (MINUTE, 0, 60),
    "and a choice that is over": (MINUTE, -5, -5),
    "an absolute timeout": ({"ABSOLUTE_TIMEOUT": 3600}, None, 3600),
    "and a moment beyond it": ({"ABSOLUTE_TIMEOUT": 3600}, timedelta(hours=3), 3600),
    "and a moment before it": ({"ABSOLUTE_TIMEOUT": 3600}, timedelta(minutes=5), 300),
    "a preset": ({"TIMEOUT_PRESET": "aal3"}, None, 900),
    "a preset without an idle timeout": ({"TIMEOUT_PRESET": "aal1"}, None, 14 * 86400),
    "a function": ({"IDLE_TIMEOUT": lambda request, user: 60}, None, 60),
    "a function that leaves it to Django": ({"IDLE_TIMEOUT": lambda request, user: None}, None, 1209600),
    "nothing": ({}, None, 1209600),
    "nothing, and a choice": ({}, 3600, 3600),
}


@pytest.mark.parametrize(("configured", "choice", "told"), TELLS.values(), ids=TELLS)
def test_the_age_that_is_told_is_when_the_session_ends(do, settings, configured, choice, told):
    settings.SESSIONKEEPER = configured
    session = SessionStore()
    do(session, "set", "a", 1)
    do(session, "set_expiry", choice)
    for each in (session, loaded_again(session, do) if told > 0 else session):
        age, date = do(each, "get_expiry_age"), do(each, "get_expiry_date")
        assert told - 5 <= age <= told
        assert abs(date - timezone.now() - timedelta(seconds=age)) < timedelta(seconds=5)
        assert do(each, "get_expire_at_browser_close") is (choice == 0)


def loaded_again(session, do):
    """Save a session; return it as another request loads it."""
    do(session, "save")
    return SessionStore(session.session_key)


def test_the_age_is_that_of_what_is_stored_until_code_chooses_another(do, settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 60, "ABSOLUTE_TIMEOUT": 3600}
    session = saved(a=1)
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": 600, "ABSOLUTE_TIMEOUT": 3600}
    assert do(session, "get_expiry_age") == 60
    do(session, "set_expiry", 300)
    assert do(session, "get_expiry_age") == 300
    age(session, minutes=59)
    contents.set_back("last_seen_at", session_id=keys.parse(session.session_key).id, minutes=-59)
    assert do(SessionStore(session.session_key), "get_expiry_age") in range(50, 61)


def test_an_expiry_that_is_given_loads_nothing(settings):
    settings.SESSIONKEEPER = MINUTE
    session = SessionStore(saved(a=1).session_key)
    with queries() as asked:
        assert session.get_expiry_age(expiry=3600) == 60
        assert session.get_expiry_age(expiry=None, modification=timezone.now()) == 60
    assert len(asked) == 0


def test_clear_expired_removes_what_ended(do, monkeypatch):
    ended, lives = [saved(a=1) for _ in range(5)], saved(b=1)
    for session in ended:
        age(session, days=100)
    monkeypatch.setattr("sessionkeeper.engine.registry.BATCH", 2)
    do(SessionStore(), "clear_expired")
    assert [one.id for one in contents.records()] == [row(lives).pk]


# The user


@pytest.mark.parametrize("way", ["set", "update", "setdefault", "cache"])
def test_the_user_column_follows_the_data_however_it_came_there(do, make_user, way):
    user = make_user()
    session = saved(a=1)
    if way == "update":
        do(session, "update", {"_auth_user_id": str(user.pk)})
    elif way == "cache":
        session._session["_auth_user_id"] = str(user.pk)
    else:
        do(session, way, "_auth_user_id", str(user.pk))
    do(session, "save")
    stored = row(session)
    assert stored.user_id == user.pk
    assert stored.authenticated_at is not None
    assert stored.data["a"] == 1


@pytest.mark.rule("R04")
@pytest.mark.parametrize("way", ["set", "update", "setdefault", "cache"])
def test_a_sign_in_changes_the_key_however_it_came(do, make_user, way):
    user = make_user()
    session = saved(a=1)
    old = session.session_key
    if way == "update":
        do(session, "update", {"_auth_user_id": str(user.pk)})
    elif way == "cache":
        session._session["_auth_user_id"] = str(user.pk)
    else:
        do(session, way, "_auth_user_id", str(user.pk))
    do(session, "save")
    assert session.session_key != old
    assert session.cookie_due
    assert SessionStore(old).get("a") is None


def test_a_sign_out_by_hand_empties_the_user_column(do, make_user):
    session = saved(_auth_user_id=str(make_user().pk), a=1)
    assert row(session).user_id is not None
    do(session, "pop", "_auth_user_id")
    do(session, "save")
    assert row(session).user_id is None
    assert row(session).data == {"a": 1}


@pytest.mark.parametrize("stored", [False, True])
def test_strangers_may_store_so_much_and_no_more(stored):
    session = SessionStore()
    if stored:
        session["a"] = 1
        session.save()
    session["b"] = "x" * records.ANONYMOUS_LARGEST
    with pytest.raises(SuspiciousOperation, match="at most 65536 characters") as caught:
        session.save()
    assert isinstance(caught.value, SessionTooLarge)
    assert [contents.data(one.id) for one in contents.records()] == ([{"a": 1}] if stored else [])


def test_who_is_signed_in_may_store_more(make_user):
    session = SessionStore()
    session["_auth_user_id"] = str(make_user().pk)
    session["b"] = "x" * records.ANONYMOUS_LARGEST
    session.save()
    assert len(SessionStore(session.session_key)["b"]) == records.ANONYMOUS_LARGEST


# Its public id


def test_the_public_id_of_a_session_stays_when_its_key_changes():
    session = SessionStore()
    session["a"] = 1
    session.save()
    given = session.session_id
    assert given == session.session_key[: keys.ID_LENGTH]
    session.cycle_key()
    session.save()
    assert SessionStore(session.session_key).session_id == given


@pytest.mark.parametrize("key", [None, "", "x" * 40, "\0"])
def test_what_opens_no_session_has_no_public_id(key):
    assert SessionStore(key).session_id is None
