"""Stages that run side by side say how far they are, and a failure when it happens."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools import inventory, progress
from tools.environment import ROOT

SOME_TESTS = """
def test_one(): pass
def test_two():
    assert 1 == 2, "sums are wrong"
def test_three(): pass
"""


def run(folder, text):
    """Run pytest as a stage does; return the lines at the terminal, and what pytest printed."""
    (folder / "test_some.py").write_text(text)
    ours, theirs = os.pipe()
    env = {**os.environ, "PYTHONPATH": str(ROOT), progress.STAGE: "some", progress.TERMINAL: str(theirs)}
    options = ["-q", "-p", "no:django", "-p", "no:randomly", "-p", "no:cacheprovider", "-c", "/dev/null"]
    command = [sys.executable, "-m", "pytest", *options, "-p", "tools.progress", "test_some.py"]
    done = subprocess.run(
        command, cwd=folder, env=env, pass_fds=[theirs], capture_output=True, text=True, check=False
    )
    os.close(theirs)
    with os.fdopen(ours) as terminal:
        return terminal.read().splitlines(), done.stdout


def test_a_failure_is_said_before_the_end_and_with_its_reason(tmp_path):
    lines, printed = run(tmp_path, SOME_TESTS)
    assert lines[0] == "[some] 3 tests"
    assert lines[1].startswith("[some] FAILED test_some.py::test_two: AssertionError: sums are wrong")
    assert lines[-1].startswith("[some] ended after 0 m 0")
    assert lines[-1].endswith("3 tests, 1 failed")
    assert "1 failed, 2 passed" in printed  # pytest's own report is whole


def test_a_file_that_cannot_be_imported_is_a_failure_at_once(tmp_path):
    lines, _ = run(tmp_path, "import nowhere")
    assert lines[0] == "[some] FAILED test_some.py, which cannot be imported"


def test_a_stage_says_from_time_to_time_what_runs(tmp_path):
    path = tmp_path / "lines"
    with path.open("wb") as file:
        one = progress.Progress("some", file.fileno())
        one.total = 4
        one.pytest_runtest_logstart("a::b")
        one.pytest_runtest_logfinish()
        one.told -= progress.EVERY
        one.pytest_runtest_logstart("a::c")
        one.pytest_runtest_logstart("a::d")
    assert path.read_text() == "[some] 25%, 1 of 4, 0 failed; now a::c\n"


@pytest.mark.parametrize(("ci", "more"), [("", ""), ("true", ", which is a failure because CI is set")])
def test_what_is_missing_is_said_with_what_follows(monkeypatch, ci, more):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(inventory.servers, "find", lambda *names: None)
    monkeypatch.setattr(inventory.shutil, "which", lambda *names: None)
    found = {line.split()[0]: line for line in inventory.lines()}
    assert {"PostgreSQL", "MariaDB", "Valkey", "Redis", "PgBouncer", "nginx", "Chromium", "Node.js"} == {
        *found
    }
    assert found["nginx"].endswith(f"none here: a cache in front of the site is NOT TESTED{more}")
