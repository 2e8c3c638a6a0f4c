"""A signal for each kind of event."""

from __future__ import annotations

import pytest
from django.test import Client

from sessionkeeper.audit import signals
from sessionkeeper.audit.events import Kind
from sessionkeeper.models import Session

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.audit.test_trail")]


@pytest.mark.rule("R38")
def test_each_kind_has_a_signal_of_its_own():
    sent = [signals.BY_KIND[kind] for kind in Kind]
    theirs = [value for value in vars(signals).values() if isinstance(value, signals.Signal)]
    assert len(set(map(id, sent))) == len(Kind) == len(theirs)
    assert {id(signal) for signal in sent} == {id(signal) for signal in theirs}


def test_a_signal_brings_the_event_and_a_receiver_that_fails_stops_nothing(make_user, caplog):
    heard = []

    def listen(event, **_):
        heard.append(event)
        raise RuntimeError("not today")

    signals.signed_in.connect(listen)
    try:
        Client().force_login(make_user())
    finally:
        signals.signed_in.disconnect(listen)
    assert [event.kind for event in heard] == [Kind.SIGN_IN]
    assert "not today" in caplog.text
    assert Session.objects.exists()
