"""Sessions listed and ended by code that is in no request of theirs."""

from __future__ import annotations

import pytest

from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_a_session_is_ended_by_its_public_id():
    session = SessionStore()
    session["a"] = 1
    session.save()
    assert registry.revoke(session.session_id)
    assert not registry.revoke(session.session_id)
    assert not registry.revoke("no id")
