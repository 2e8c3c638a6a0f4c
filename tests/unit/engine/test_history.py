"""The history of a user's sessions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from sessionkeeper.core import context
from sessionkeeper.engine import history, registry
from sessionkeeper.models import AuditEvent, Session
from tests.conftest import PASSWORD

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.unit.auth.test_receivers_notices"),
]


def browser(address="192.0.2.1", agent="Firefox"):
    """A browser somewhere."""
    return Client(REMOTE_ADDR=address, headers={"user-agent": agent, "sec-fetch-site": "same-origin"})


def sign_in(client, user):
    """Sign in by the API."""
    body = json.dumps({"username": user.get_username(), "password": PASSWORD})
    assert client.post("/auth/login/", body, content_type="application/json").status_code == 200


def test_ended_sessions_are_history_with_how_they_ended(make_user):
    user = make_user()
    clients = [browser(agent=f"browser {number}") for number in range(5)]
    for client in clients:
        sign_in(client, user)
    ids = list(Session.objects.order_by("pk").values_list("pk", flat=True))
    clients[0].post("/auth/logout/")
    registry.revoke(ids[1], reason="admin")
    past = datetime.now(UTC) - timedelta(seconds=1)
    Session.objects.filter(pk__in=ids[2:4]).update(expires_at=past)
    clients[2].get("/auth/session/")
    context.end()
    found = {one.user_agent: (one.how, one.reason) for one in history.history_for(user)}
    assert found == {
        "browser 0": ("sign_out", ""),
        "browser 1": ("revoked", "admin"),
        "browser 2": ("expired", ""),
        "browser 3": ("expired", ""),
    }
    ends = {one.user_agent: one.ended_at for one in history.history_for(user)}
    assert ends["browser 3"] is None
    assert ends["browser 2"] is not None


def test_history_is_the_users_own_the_latest_first_and_not_endless(make_user):
    user, other = make_user(), make_user()
    for who in (user, other, user, user):
        client = browser()
        sign_in(client, who)
        client.post("/auth/logout/")
    mine = history.history_for(user)
    assert [one.began_at for one in mine] == sorted((one.began_at for one in mine), reverse=True)
    assert len(mine) == 3
    assert history.history_for(user, limit=2) == mine[:2]
    assert AuditEvent.objects.filter(kind="sign_in").count() == 4
