"""Django's own suites pass with sessionkeeper installed, but for what ``differences.toml`` lists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

import sessionkeeper
from tests.upstream.suites.differences import DEPTHS, SUITES, expected, listed
from tools.environment import ROOT

#: Fewer than any Django has in each: what is found is no part of a suite.
FEWEST = 90


def run(suite: str, depth: str, folder: Path) -> dict:
    """Run a suite in a process of its own and return its report."""
    path = os.pathsep.join([str(Path(sessionkeeper.__file__).parents[1]), str(ROOT)])
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.upstream.suites.run", suite, depth, str(report)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert report.exists(), done.stdout
    return json.loads(report.read_text())


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("suite", SUITES)
def test_nothing_differs_but_what_is_listed(suite, depth, tmp_path):
    report = run(suite, depth, tmp_path)
    failed, may_differ = report["failed"], expected(suite, depth)
    unexpected = [f"{name}\n{text}" for name, text in failed.items() if name not in may_differ]
    assert not unexpected, "\n".join(unexpected)
    assert set(failed) == may_differ
    assert report["database"] == connection.vendor
    assert len(report["ran"]) > FEWEST
    assert len(report["ran"]) > 10 * report["skipped"]


def test_each_difference_is_of_a_suite_that_runs():
    for one in listed():
        assert one.reason
        assert set(one.depths) <= set(DEPTHS)
        assert all(name.partition(".")[0] in SUITES for name in one.tests)
