"""A SQLite file that another process locks, or that cannot grow any more."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connections

from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_breaker
from tests.faults.conftest import is_in
from tests.http.outage_site import Visitor, assert_outage
from tests.stores import sqlite_file

pytestmark = [pytest.mark.usefixtures("any_database"), pytest.mark.urls("tests.faults.site")]

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
print("free", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def file(settings, tmp_path):
    """A file that the sessions are in."""
    settings.SESSIONKEEPER = {"STORE": "database:file"}
    with sqlite_file("file", tmp_path / "sessions.sqlite3", timeout=0.1):
        yield str(tmp_path / "sessions.sqlite3")


@pytest.mark.rule("L02")
def test_locked_by_another_process_refuses_writes_and_lets_readers_in(file, visitor, make_user):
    alice, bob = visitor(), make_user()
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout.readline() == "locked\n"
            for _ in range(3):
                assert_outage(alice.page("write", name="a", value="1"))
                assert_outage(alice.page("logout"))
                assert_outage(Visitor().page("login", name=bob.get_username()))
                assert is_in(alice)
            assert not get_breaker().is_open
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "free\n"
            assert alice.page("write", name="a", value="1").text == "written"
            assert alice.page("read").json() == {"a": "1"}
            assert registry.list_for(bob) == []
        finally:
            other.kill()


@pytest.mark.rule("L02")
def test_a_full_disk_refuses_writes_and_keeps_what_was_written(file, visitor, make_user):
    alice, user = visitor(), make_user()
    assert alice.page("write", name="a", value="1").text == "written"
    with connections["file"].cursor() as cursor:
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    assert_outage(alice.page("write", name="b", value="x" * 100_000))
    answers = [Visitor().page("login", name=user.get_username()) for _ in range(60)]
    signed_in = [answer for answer in answers if answer.status_code == 200]
    assert len(signed_in) < 60
    for answer in answers:
        if answer.status_code != 200:
            assert_outage(answer)
    assert Session.objects.using("file").filter(user_id=user.pk).count() == len(signed_in)
    assert alice.page("read").json() == {"a": "1"}
    with connections["file"].cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 1000000")
        assert cursor.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert alice.page("write", name="b", value="x" * 100_000).text == "written"
    assert alice.page("logout").text == "signed out"
