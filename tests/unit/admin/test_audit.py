"""The audit trail in Django's admin."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.models import AuditEvent

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.audit.test_trail")]


def post(client, page, **body):
    """Call an endpoint."""
    return client.post(f"/auth/{page}/", json.dumps(body), content_type="application/json")


@pytest.fixture
def staff(make_user):
    """A superuser's browser."""
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.mark.urls("tests.unit.admin.test_sessions")
def test_the_admin_shows_events_and_changes_none(staff, make_user):
    user = make_user()
    event = trail.record(Kind.LOCKED_OUT, user=user, reason="account", note="<script>")
    pk = AuditEvent.objects.get(kind=event.kind).pk
    base = "/admin/sessionkeeper/auditevent/"
    listed = staff.get(base, {"q": user.get_username()})
    assert "locked_out" in listed.text
    shown = staff.get(f"{base}{pk}/change/")
    assert "&lt;script&gt;" in shown.text
    assert "<script>" not in shown.text.partition("details")[2].partition("</div>")[0]
    assert staff.get(f"{base}add/").status_code == 403
    assert staff.post(f"{base}{pk}/change/", {"reason": "x"}).status_code == 403
    assert staff.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
