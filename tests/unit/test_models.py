"""Who listens to all models hears nothing of our tables: audit applications would copy them, or fail."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db.models import signals as model_signals
from django.test import Client
from django.urls import include, path

from sessionkeeper.auth import unlocking
from sessionkeeper.engine import registry
from sessionkeeper.models import AuditEvent, LoginAttempt, Session, Tombstone
from sessionkeeper.stores.redis import tombstones
from tests.conftest import PASSWORD

urlpatterns = [path("admin/", admin.site.urls), path("auth/", include("sessionkeeper.api.urls"))]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
WRITES = (
    model_signals.pre_save,
    model_signals.post_save,
    model_signals.pre_delete,
    model_signals.post_delete,
    model_signals.m2m_changed,
)


@pytest.fixture
def heard():
    """Names of the models whose signals of writes were heard."""
    names = []

    def listen(sender, **_):
        names.append(sender._meta.label)

    for signal in WRITES:
        signal.connect(listen)
    yield names
    for signal in WRITES:
        signal.disconnect(listen)


def ours(heard):
    """Those that are ours."""
    return [label for label in heard if label.startswith("sessionkeeper.")]


def sign_in(user, password=PASSWORD):
    """Sign in by the API; return the browser."""
    browser = Client(headers={"sec-fetch-site": "same-origin"})
    body = json.dumps({"username": user.get_username(), "password": password})
    browser.status = browser.post("/auth/login/", body, content_type="application/json").status_code
    return browser


def test_a_sign_in_a_refusal_a_change_and_an_end_tell_no_listener(heard, make_user):
    user = make_user()
    assert sign_in(user).status == 200
    assert sign_in(user, "wrong").status == 401
    browser = sign_in(user)
    change = json.dumps({"current_password": PASSWORD, "new_password": "staple battery horse"})
    assert browser.post("/auth/password/change/", change, content_type="application/json").status_code == 204
    assert browser.post("/auth/sessions/revoke-all/").status_code == 200
    unlocking.unlock_user(user, reason="admin")
    user.delete()
    assert AuditEvent.objects.exists()
    assert LoginAttempt.objects.exists()
    assert "auth.User" in heard
    assert ours(heard) == []


def test_the_admin_tells_no_listener(heard, make_user):
    boss = sign_in(make_user(is_staff=True, is_superuser=True))
    sign_in(make_user())
    pks = list(Session.objects.values_list("pk", flat=True))
    selected = {"action": "delete_selected", "_selected_action": pks[:1]}
    assert boss.post("/admin/sessionkeeper/session/", selected).status_code == 302
    assert ours(heard) == []


def test_commands_tell_no_listener(heard, make_user, tmp_path):
    sign_in(make_user())
    file = str(tmp_path / "sessions.jsonl")
    call_command("sessions", "export", file, stdout=io.StringIO())
    Session._base_manager.all()._raw_delete("default")
    call_command("sessions", "import", file, stdout=io.StringIO())
    assert Session.objects.count() == 1
    Session.objects.update(last_seen_at="2000-01-01T00:00:00Z")
    AuditEvent._base_manager.update(at="2000-01-01T00:00:00Z")
    call_command("sessions", "purge", stdout=io.StringIO())
    assert Session.objects.count() == 0
    assert ours(heard) == []


@pytest.mark.parametrize("ignores", [True, False])
def test_ends_that_are_recorded_tell_no_listener(heard, monkeypatch, ignores):
    from django.db import connection

    monkeypatch.setattr(connection.features, "supports_ignore_conflicts", ignores)
    moment = registry.now()
    tombstones.record([(7, moment), (8, moment)])
    tombstones.record([(7, moment)])
    assert tombstones.among([7, 8, 9]) == {7, 8}
    assert Tombstone.objects.count() == 2
    assert ours(heard) == []
