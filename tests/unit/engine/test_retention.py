"""A purge of the audit trail, and of addresses before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.engine import retention
from sessionkeeper.http.client_info import ClientInfo as Facts
from sessionkeeper.models import AuditEvent

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.audit.test_trail")]


def kinds():
    """The kinds of all events, in their order."""
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def age(**duration):
    """Make all events older."""
    moment = datetime.now(UTC) - timedelta(**duration)
    AuditEvent._base_manager.update(at=moment)


@pytest.mark.rule("R49")
def test_a_purge_removes_what_is_older_than_the_retention_in_batches():
    for _ in range(5):
        trail.record(Kind.REFUSED)
    age(days=366)
    trail.record(Kind.REFUSED, reason="new")
    assert list(retention.purge_events(batch=2)) == [2, 2, 1]
    assert AuditEvent.objects.get().reason == "new"


@pytest.mark.rule("R49")
@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0"), ("2001:db8:1:2:3::4", "2001:db8:1::"), ("", None)],
)
def test_after_a_while_only_the_network_is_kept(address, network):
    trail.record(Kind.SIGN_IN, client=Facts(address, "Firefox"))
    list(retention.purge_events())
    before = AuditEvent.objects.get()
    assert before.user_agent == "Firefox"
    age(days=31)
    list(retention.purge_events())
    after = AuditEvent.objects.get()
    assert (after.ip_address, after.user_agent, after.exact) == (network, "", False)


def test_the_command_purges_the_trail_too(capsys):
    from django.core.management import call_command

    trail.record(Kind.REFUSED)
    age(days=366)
    call_command("sessions", "purge")
    assert "1 old audit event removed." in capsys.readouterr().out
    assert kinds() == []
