"""The two nights in which clocks change: no session lives or dies an hour off, and no hour is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.template import engines
from django.test import Client
from django.utils import timezone

from sessionkeeper.admin.filters import LiveFilter
from sessionkeeper.audit import events, trail
from sessionkeeper.core import moments
from sessionkeeper.core.records import SessionPatch, expired, is_live
from sessionkeeper.engine import retention, session_data
from sessionkeeper.engine.history import history_for
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent, Session, Tombstone
from sessionkeeper.stores.database import user_query
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.redis import tombstones
from tests.conftest import PASSWORD
from tests.stores import Clock, insert

pytestmark = [pytest.mark.django_db]

# Clocks in Berlin go from 2:00 to 3:00 at 1:00 UTC in spring, and from 3:00 to 2:00 at that time in autumn.
NIGHTS = {"spring": datetime(2026, 3, 29, tzinfo=UTC), "autumn": datetime(2026, 10, 25, tzinfo=UTC)}
QUARTERS = [timedelta(minutes=15) * number for number in range(12)]
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["local", "aware", "local connection"], autouse=True)
def _zone(request, settings):
    """A site in Berlin: with naive times, with aware ones, and with a connection that keeps local time."""
    settings.USE_TZ, settings.TIME_ZONE = request.param != "local", "Europe/Berlin"
    if request.param != "local connection":
        yield
        return

    def reconnect(zone):
        connection.settings_dict["TIME_ZONE"] = zone
        for name in ("timezone", "timezone_name"):
            vars(connection).pop(name, None)
        connection.ensure_timezone()
        user_query.drop_statements()

    reconnect("Europe/Berlin")
    yield
    reconnect(None)


@pytest.fixture(params=NIGHTS)
def night(request, monkeypatch):
    """The clock of one of the nights, at midnight UTC."""
    clock = Clock()
    clock.now = NIGHTS[request.param]
    monkeypatch.setattr(moments, "now", clock)
    return clock


@pytest.mark.parametrize("begins", QUARTERS, ids=str)
def test_a_session_lives_for_exactly_as_long_as_it_should(night, begins):
    night.now += begins
    store, began_at = DatabaseStore(clock=night), night.now
    key = insert(store, lifetime=timedelta(hours=2), idle_seconds=1800)
    night.move(minutes=29)
    assert store.touch(key.id, key.secret_hash)
    record = store.find(key.id).record
    assert (record.created_at, record.last_seen_at) == (began_at, began_at + timedelta(minutes=29))
    assert record.expires_at - record.created_at == timedelta(hours=2)
    night.move(minutes=30, seconds=-1)
    assert is_live(record, store.find(key.id).now)
    assert store.purge(10).sessions == 0
    night.move(seconds=1)
    assert not is_live(record, store.find(key.id).now)
    assert expired(record).ended_at == began_at + timedelta(minutes=59)
    assert store.purge(10).sessions == 1


@pytest.mark.parametrize("begins", QUARTERS, ids=str)
def test_the_absolute_timeout_holds_through_the_night(night, begins):
    night.now += begins
    store = DatabaseStore(clock=night)
    key = insert(store, lifetime=timedelta(hours=1), idle_seconds=None)
    store.merge(key.id, key.secret_hash, SessionPatch(lifetime=timedelta(days=30), authenticated=True), None)
    record = store.find(key.id).record
    assert record.expires_at - record.authenticated_at == timedelta(days=30)
    store.renew(key.id, key.secret_hash, b"n" * 32, key.family_hash)
    store.touch(key.id, b"n" * 32)
    assert store.find(key.id).record.previous_at == night.now


@pytest.mark.postgres
def test_the_servers_clock_adds_seconds_and_not_days():
    store = DatabaseStore()
    life = timedelta(days=200, microseconds=1)  # over at least one change
    record = store.find(insert(store, lifetime=life).id).record
    assert record.expires_at - record.created_at == life
    assert abs(store.find(record.id).now - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("begins", QUARTERS, ids=str)
def test_the_engine_keeps_what_it_was_given(night, begins):
    night.now += begins
    for given in (timedelta(hours=2), night.now + timedelta(hours=2), 7200):
        session = SessionStore()
        session["a"] = 1
        session.set_expiry(given)
        timeouts = session_data.limits_of(session._session)
        if isinstance(given, int):
            assert timeouts.idle_seconds == 7200
            continue
        off = timeouts.lifetime - night.now - timedelta(hours=2)
        # What Django keeps of a length has no place for which of two hours is meant: the earlier one is.
        repeated = isinstance(given, timedelta) and moments.native(night.now + given).fold
        assert off == (-timedelta(hours=1) if repeated else timedelta(0))


@pytest.mark.parametrize("begins", QUARTERS, ids=str)
def test_audit_history_and_tombstones_know_the_moment(night, begins, make_user, settings):
    night.now += begins
    user, at = make_user(), night.now
    trail.record(events.Kind.SIGN_IN, user=user, session_id=7)
    night.move(minutes=20)
    trail.record(events.Kind.SIGN_OUT, user=user, session_id=7)
    [ended] = history_for(user)
    assert (ended.began_at, ended.ended_at) == (at, at + timedelta(minutes=20))
    settings.SESSIONKEEPER = {"ABSOLUTE_TIMEOUT": 60, "AUDIT_RETENTION": timedelta(minutes=30)}
    tombstones.record([(7, at)])
    assert moments.aware(Tombstone.objects.get().until) == night.now + timedelta(minutes=1)
    night.move(seconds=59)
    tombstones.purge(10)
    assert Tombstone.objects.exists()
    night.move(seconds=1)
    tombstones.purge(10)
    assert not Tombstone.objects.exists()
    night.now = at + timedelta(minutes=30) - SECOND
    assert sum(retention.purge_events()) == 0
    night.move(seconds=1)
    assert sum(retention.purge_events()) == 1
    assert AuditEvent.objects.get().kind == "sign_out"


@pytest.mark.parametrize("begins", QUARTERS, ids=str)
def test_models_show_what_djangos_would_and_say_which_hour_is_meant(night, begins, settings):
    night.now += begins
    key = insert(DatabaseStore(clock=night), idle_seconds=60)
    row = Session.objects.get(pk=key.id)
    assert timezone.is_naive(row.last_seen_at) is not settings.USE_TZ
    assert moments.aware(row.last_seen_at) == night.now
    assert Session.objects.filter(last_seen_at=row.last_seen_at).exists()
    assert Session.objects.values_list("last_seen_at", flat=True).get() == row.last_seen_at
    row.save()
    assert DatabaseStore(clock=night).find(key.id).record.last_seen_at == night.now
    night.move(seconds=59)
    assert [len(rows) for rows in filtered()] == [1, 0]
    night.move(seconds=1)
    assert [len(rows) for rows in filtered()] == [0, 1]


def filtered():
    """What the admin's filters give: the live, and the expired."""
    for state in ("live", "expired"):
        chosen = LiveFilter(None, {"state": [state]}, Session, None)
        yield chosen.queryset(None, Session.objects.all())


@pytest.mark.urls("tests.http.pages_site")
def test_pages_say_the_time_of_the_sites_zone(make_user):
    user = make_user()
    client = Client(headers={"sec-fetch-site": "same-origin"})
    client.login(username=user.get_username(), password=PASSWORD)
    seen_at = DatabaseStore().list_for(user.pk)[0].last_seen_at
    page = client.get("/auth/sessions/")
    template = engines["django"].from_string('{{ at|date:"DATETIME_FORMAT" }}')
    assert template.render({"at": timezone.localtime(seen_at)}) in page.text


def test_times_are_in_utc_with_a_z():
    moment = datetime(2026, 1, 31, 13, 0, tzinfo=timezone.get_fixed_timezone(60))
    assert moments.rfc3339(moment) == moments.rfc3339(moment.astimezone(UTC)) == "2026-01-31T12:00:00Z"
    assert moments.rfc3339(None) is None
