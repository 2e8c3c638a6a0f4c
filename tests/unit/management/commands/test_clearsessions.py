"""``manage.py clearsessions``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command, get_commands
from django.utils import timezone

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts
from sessionkeeper.http.client_info import ClientInfo as Facts
from sessionkeeper.models import Session
from tests.unit.management.shell import is_there, store_for

pytestmark = pytest.mark.django_db


def test_clearsessions_is_there_without_djangos_sessions_application(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"]
    get_commands.cache_clear()
    try:
        assert get_commands()["clearsessions"] == "sessionkeeper"
        live, over = store_for(), store_for(lifetime=timezone.now() - timedelta(seconds=1))
        call_command("clearsessions")
    finally:
        get_commands.cache_clear()
    assert is_there(live)
    assert not is_there(over)


@pytest.mark.parametrize("command", [("sessions", "purge"), ("clearsessions",)])
def test_both_commands_remove_all_that_is_old(command, make_user, settings):
    """Sessions, audit events, what older ones say of where, and counts of failed sign-ins."""
    store_for(lifetime=timezone.now() - timedelta(seconds=1))
    attempts.consume([("a" * 64, attempts.ACCOUNT)], "", attempts.now() - 40 * 86_400_000)
    for days in (1, 40, 400):
        event = trail.make(events.Kind.SIGN_IN, user=make_user(), client=Facts("192.0.2.77", "Firefox"))
        trail.record_all([replace(event, at=event.at - timedelta(days=days))])
    call_command(*command, verbosity=0)
    assert Session.objects.count() == 0
    assert attempts.rows().count() == 0
    found = trail.rows().filter(kind="sign_in").order_by("-at").values_list("ip_address", "user_agent")
    assert list(found) == [("192.0.2.77", "Firefox"), ("192.0.2.0", "")]
