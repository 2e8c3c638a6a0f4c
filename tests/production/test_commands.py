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
    "PASSWORD_HASHERS": [
        f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("Argon2", "PBKDF2")
    ],
}
LEAVE = """
from datetime import timedelta
from django.utils import timezone
from sessionkeeper.engine import SessionStore
from sessionkeeper.models import Session
ids = []
for _ in range(2):
    session = SessionStore()
    session["a"] = 1
    session.save()
    ids.append(session.session_key[:11])
Session.objects.filter(id=session._active.key.id).update(expires_at=timezone.now() - timedelta(days=90))
print("left", *ids)
"""
LEFT = """
from sessionkeeper.core import keys
from sessionkeeper.models import Session
print("left", *(keys.encode_id(pk) for pk in Session.objects.values_list("id", flat=True)))
"""


@pytest.fixture
def manage(project, settled):
    """A function that runs `manage.py`, which must succeed."""
    return lambda *arguments: project.manage(settled, *arguments)


def test_the_deployment_checks_have_nothing_to_say_once_their_list_is_done(project, settled):
    module = settled["DJANGO_SETTINGS_MODULE"].rpartition(".")[2]
    hardened = project.write(f"{module}_hardened", base=module, **HARDENED)
    assert "no issues" in project.manage(hardened, "check", "--deploy", "--fail-level", "WARNING")


def test_sessions_that_have_ended_are_cleared_and_no_others(manage):
    _, live, ended = manage("shell", "-v", "0", "-c", LEAVE).splitlines()[-1].split()
    manage("clearsessions")
    left = manage("shell", "-v", "0", "-c", LEFT).split()
    assert (live in left, ended in left) == (True, False)
