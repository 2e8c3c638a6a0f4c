"""What the doctor says of the store and of the settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.management.doctor import deployment
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_store
from tests.stores import insert

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def found(findings):
    return {(one.about, one.level.name) for one in findings}


def test_a_store_that_does_not_answer_is_an_error(monkeypatch):
    def fail(*args):
        raise StoreUnavailable("down")

    monkeypatch.setattr(type(get_store()), "count", fail)
    assert ("store", "ERROR") in found(deployment.look())


def test_old_expired_sessions_show_that_nothing_purges():
    now = timezone.now()
    old = keys.Key(keys.id_before(now - timedelta(days=60)), keys.mint().secret)
    insert(get_store(), old)
    insert(get_store())
    assert ("purge", "OK") in found(deployment.look())
    Session.objects.filter(pk=old.id).update(
        last_seen_at=now - timedelta(days=60), expires_at=now - timedelta(days=30)
    )
    assert ("purge", "WARNING") in found(deployment.look())


def test_clocks_that_differ_are_a_warning(monkeypatch):
    insert(get_store())
    real = registry.now
    monkeypatch.setattr(registry, "now", lambda: real() + timedelta(minutes=5))
    assert ("clock", "WARNING") in found(deployment.look())
