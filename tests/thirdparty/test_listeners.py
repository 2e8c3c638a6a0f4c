"""Packages that listen to all models, and those that keep what queries answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from auditlog.models import LogEntry

from sessionkeeper.engine import registry
from sessionkeeper.models import AuditEvent
from tests.thirdparty.conftest import NEW_PASSWORD, PASSWORD
from tools import valkey

FETCH = {"ops": "all", "timeout": 600}
CACHED = """
import django
django.setup()
from django.core.checks import run_checks
from django.core.management import call_command
from django.utils import timezone
from sessionkeeper.auth import attempts
from sessionkeeper.models import LoginAttempt
from sessionkeeper.stores.redis import tombstones
print(sorted({str(one.id) for one in run_checks(tags=["sessionkeeper"]) if "cacheops" in one.msg}))
call_command("migrate", run_syncdb=True, verbosity=0)
row = {"key": "somebody", "kind": "account"}
LoginAttempt.objects.create(**row)
for _ in range(2):
    took = not attempts.consume([("somebody", "account")], "", attempts.now()).wait
    print(took, LoginAttempt.objects.get(**row).failures)
print(tombstones.among([7]))
tombstones.record([(7, timezone.now())])
print(tombstones.among([7]))
"""


def test_an_audit_of_all_models_hears_of_users_and_of_none_of_our_tables(browser, alice):
    browser.sign_in()
    change = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.submit("/auth/password/", change)
    registry.revoke_all(alice)
    assert AuditEvent.objects.count() >= 3
    labels = set(LogEntry.objects.values_list("content_type__app_label", flat=True))
    assert "auth" in labels
    assert "sessionkeeper" not in labels


@pytest.fixture
def cacheops():
    """A function that runs a project with django-cacheops on a Valkey, and returns what it prints."""
    program = next(iter(valkey.programs().values()))
    with valkey.private_server(program) as url:

        def run(profiles):
            settings = {"DJANGO_SETTINGS_MODULE": "tests.thirdparty.settings_cacheops"}
            done = subprocess.run(
                [sys.executable, "-c", CACHED],
                env=os.environ | settings | {"CACHEOPS_REDIS": url, "CACHEOPS": json.dumps(profiles)},
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.splitlines()

        yield run


@pytest.mark.parametrize("middleware", ["Django's middleware"], indirect=True)  # no request takes part
def test_a_cache_of_all_queries_is_reported_and_the_hint_makes_lists_true(cacheops):
    assert cacheops({"*.*": FETCH})[0] == "['sessionkeeper.W085']"
    lines = cacheops({"*.*": FETCH, "sessionkeeper.*": None})
    assert lines == ["[]", "True 1", "True 2", "set()", "{7}"]
