"""What is stored of a person goes for good: of one who is there, and of one who is deleted already."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model

from sessionkeeper.audit import trail
from sessionkeeper.auth import erasure, lockout
from sessionkeeper.auth.erasure import Erased
from sessionkeeper.engine import registry
from sessionkeeper.engine.history import history_for
from sessionkeeper.models import AuditEvent, LoginAttempt
from sessionkeeper.stores.factory import get_store
from tests.conftest import PASSWORD
from tests.stores import server_url
from tests.unit.auth import traces
from tests.unit.auth.traces import ADDRESS, AGENT, Browser, dump
from tools import valkey

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


@pytest.fixture
def person(make_user):
    """Somebody who has left traces."""
    user = make_user()
    user.other = make_user()
    traces.leave(user, user.other)
    return user


def test_nothing_of_a_person_stays_but_that_others_have_something_to_do_with(person):
    other, pk = person.other, person.pk
    assert ADDRESS in dump()
    erased = erasure.erase(person, actor=other)
    assert (erased.sessions, erased.counts) == (4, 3)
    text = dump()
    assert ADDRESS not in text
    assert AGENT not in text
    assert get_store().list_for(pk) == []
    assert history_for(person) == []
    assert not AuditEvent.objects.filter(user=pk).exists()
    assert not LoginAttempt.objects.filter(kind="account").exists()
    for name in (person.get_username(), person.email):
        assert trail.digest(name.casefold()) not in text
    assert len(get_store().list_for(other.pk)) == 1
    theirs = AuditEvent.objects.get(user=other.pk, actor=pk)
    assert (theirs.reason, theirs.ip_address, theirs.user_agent) == ("admin", None, "")
    event = AuditEvent.objects.latest("pk")
    assert (event.kind, event.user_id, event.actor_id, event.ip_address) == ("erased", None, other.pk, None)
    assert event.detail == erased._asdict()


def test_what_the_trail_counts_stays(person):
    before = sorted(AuditEvent.objects.values_list("kind", flat=True))
    erased = erasure.erase(person)
    assert sorted(AuditEvent.objects.values_list("kind", flat=True)) == sorted([*before, "erased"])
    assert erasure.erase(person) == Erased(0, 0, 0)
    assert erased.events == len(before) - 1  # but the sign-in of the other one


def test_a_dry_run_counts_the_same_and_changes_nothing(person):
    before = dump()
    counted = erasure.erase(person, dry_run=True)
    assert dump() == before
    assert erasure.erase(person) == counted


@pytest.mark.parametrize("batch", [1, 2])
def test_batches_end(person, monkeypatch, batch):
    monkeypatch.setattr(trail, "BATCH", batch)
    monkeypatch.setattr(registry, "MANY", batch)
    assert erasure.erase(person).sessions == 4
    assert ADDRESS not in dump()


def test_of_a_deleted_user_the_key_is_enough_and_the_names_help(person):
    pk, names = person.pk, [person.get_username(), person.email]
    person.delete()
    with pytest.raises(ValueError, match="primary key"):
        erasure.erase(person)
    erasure.erase(pk)
    assert not AuditEvent.objects.filter(user=pk).exists()
    assert AuditEvent.objects.get(kind="password_reset_requested").ip_address == ADDRESS
    erasure.erase(pk, names=names)
    assert ADDRESS not in dump()


@pytest.mark.parametrize("pk", ["none", "deleted"])
def test_nobody_is_never_taken_for_everybody(person, pk):
    before = dump()
    with pytest.raises(ValueError, match="primary key"):
        erasure.erase(None if pk == "none" else get_user_model()(pk=None))
    assert dump() == before


def test_sessions_in_valkey_go_too(make_user, settings):
    settings.SESSIONKEEPER = {"STORE": valkey.with_options(server_url("valkey"), prefix="erasure:")}
    user = make_user()
    for _ in range(3):
        Browser().force_login(user)
    assert erasure.erase(user).sessions == 3
    assert get_store().list_for(user.pk) == []


def test_the_log_names_nobody(person, caplog):
    caplog.set_level("INFO", logger="sessionkeeper.audit")
    erasure.erase(person)
    [line] = [record.getMessage() for record in caplog.records if record.name == "sessionkeeper.audit"]
    assert line.startswith("erased ")
    assert json.dumps(str(person.pk)) not in line
    assert "user=" not in line


def test_a_lockout_is_lifted_by_it(person):
    assert Browser().post_json("login", username=person.get_username(), password=PASSWORD).status_code == 429
    keys = [lockout.key_of(person.pk), *lockout.keys_of(person.get_username())]
    erasure.erase(person)
    assert not LoginAttempt.objects.filter(pk__in=keys).exists()
