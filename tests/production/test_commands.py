"""The commands of an operator on a deployed project, on a database of each kind."""

from __future__ import annotations

import pytest

#: What Django's deployment checklist asks for, and ours; over plain http none of it can be served.
HARDENED = {
    "SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrftoken",
    "CSRF_COOKIE_SECURE": True,
}
LEFT_OVER = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from sessionkeeper.engine import SessionStore
from sessionkeeper.models import Session
for days in (0, 0, 90):
    session = SessionStore()
    session["a"] = 1
    session.save()
    if days:
        moved = timezone.now() - timedelta(days=days)
        Session.objects.filter(id=session.handle.key.id).update(expires_at=moved)
print("left", Session.objects.count())
"""
COUNT = "from sessionkeeper.models import Session; print('left', Session.objects.count())"


@pytest.fixture
def manage(project, settled):
    """A function that runs `manage.py`, which must succeed."""
    return lambda *arguments: project.manage(settled, *arguments)


def test_the_checks_have_nothing_to_say(manage):
    assert "no issues" in manage("check", "--database", "default")


def test_the_deployment_checks_have_nothing_to_say_once_their_list_is_done(project, settled):
    module = settled["DJANGO_SETTINGS_MODULE"].rpartition(".")[2]
    hardened = project.write(f"{module}_hardened", base=module, **HARDENED)
    assert "no issues" in project.manage(hardened, "check", "--deploy", "--fail-level", "WARNING")


def test_sessions_that_have_ended_are_cleared_and_no_others(manage):
    before = int(manage("shell", "-v", "0", "-c", LEFT_OVER).split()[-1])
    manage("clearsessions")
    assert int(manage("shell", "-v", "0", "-c", COUNT).split()[-1]) == before - 1
    assert "ID " in manage("sessions", "list")
