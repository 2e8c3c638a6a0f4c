"""How many sessions there are."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from tests.unit.management.shell import run, store_for

pytestmark = pytest.mark.django_db


def test_stats_counts_by_state_user_transport_and_last_use(make_user, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 2)
    assert json.loads(run("stats", "--json"))["sessions"] == 0
    user = make_user()
    store_for(user)
    store_for(user, transport="bearer")
    old, gone = store_for(idle_seconds=None), store_for()
    now = timezone.now()
    Session.objects.filter(pk=old.id).update(last_seen_at=now - timedelta(hours=5))
    Session.objects.filter(pk=gone.id).update(expires_at=now)
    counts = json.loads(run("stats", "--json"))
    assert counts["sessions"] == 4
    assert counts["state"] == {"live": 3, "expired": 1}
    assert counts["who"] == {"signed in": 2, "anonymous": 1}
    assert counts["transport"] == {"cookie": 2, "bearer": 1}
    used = {name: number for name, number in counts["last used"].items() if number}
    assert used == {"within an hour": 2, "within a day": 1}
    text = run("stats")
    assert re.search(r"^sessions +4$", text, re.MULTILINE)
    assert re.search(r"^  last used within a day +1$", text, re.MULTILINE)
