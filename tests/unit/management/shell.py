"""The commands as a shell calls them, and sessions for them to show."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from django.core.management import call_command

from sessionkeeper.core import keys
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.demo_server import ROOT
from tests.stores import insert


def run(*arguments, **options):
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command("sessions", *arguments, stdout=out, stderr=out, no_color=True, **options)
    return out.getvalue()


def name(key):
    """The 11 characters of a key's session."""
    return keys.encode_id(key.id)


def store_for(user=None, **fields):
    """Store a session of a user; return its key."""
    return insert(DatabaseStore(), user_id=None if user is None else user.pk, **fields)


def is_there(key):
    """Whether the store has the session."""
    return Session.objects.filter(pk=key.id).exists()


def shell(*arguments, **options):
    """Run the command as people do, over a database without tables, in a process of its own."""
    env = {**os.environ, "DATABASE_URL": "sqlite://:memory:", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        env={**env, **options.pop("env", {})},
        capture_output=True,
        check=False,
        **options,
    )
