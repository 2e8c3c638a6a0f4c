"""The Postman collection is what the schema makes of it, and runs through on a demo, by newman."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from tests.callers import postman
from tests.demo_server import running_demo
from tools.environment import ROOT

PACKAGES = ROOT / "tests" / "callers" / "newman"
INSTALLED = ROOT / ".cache" / "newman"
TEXT = postman.COLLECTION.read_text()


def unavailable(why):
    """Leave the tests out, and say so; on continuous integration they fail."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"newman NOT RUN. {why}")


@pytest.fixture(scope="module")
def newman():
    """The command that runs a collection, of the locked version, fetched once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        unavailable("It needs node and npm: install the packages nodejs and npm of your system.")
    files = [PACKAGES / "package.json", PACKAGES / "package-lock.json"]
    stamp, wanted = (
        INSTALLED / "stamp",
        hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest(),
    )
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        for file in files:
            shutil.copy(file, INSTALLED)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, check=False)
        if done.returncode:
            unavailable(f"npm could not fetch it: {done.stderr.strip()}")
        stamp.write_text(wanted)
    return [node, str(INSTALLED / "node_modules" / "newman" / "bin" / "newman.js"), "run"]


@pytest.fixture
def run(newman, tmp_path):
    """Run a collection on a fresh demo, and return newman's report."""

    def run(collection):
        source, report = tmp_path / "collection.json", tmp_path / "report.json"
        source.write_text(json.dumps(collection))
        with running_demo(tmp_path, "tests.demo_settings") as site:
            command = [*newman, str(source), "--env-var", f"base_url={site.url}"]
            command += ["--reporters", "json", "--reporter-json-export", str(report)]
            subprocess.run(command, env=site.env, capture_output=True, check=False)
        return json.loads(report.read_text())["run"]

    return run


def items(collection):
    """Return the requests of all folders."""
    return [item for folder in collection["item"] for item in folder["item"]]


def test_the_collection_is_what_the_schema_makes_of_it():
    assert postman.rendered() == TEXT, "run .venv/bin/python -m tests.callers.postman"


def test_every_operation_is_in_it_by_each_way_in():
    operations = postman.operations(postman.schema())
    assert set(operations) == {*postman.BY_COOKIE, *postman.BY_TOKEN}
    for name, (_, _, operation) in operations.items():
        ways = {scheme for way in operation["security"] for scheme in way}
        assert name in postman.BY_COOKIE or not ways & {"sessionCookie", "csrfToken"}
        # who has forgotten the password has no token either
        assert name in postman.BY_TOKEN or "sessionToken" not in ways or "password_reset" in name


def test_the_collection_runs_through(run):
    done = run(json.loads(TEXT))
    refused = [failure["source"]["name"] + ": " + failure["error"]["message"] for failure in done["failures"]]
    assert not refused
    assert done["stats"]["assertions"] == {
        "total": len(items(json.loads(TEXT))),
        "pending": 0,
        "failed": 0,
    }


def test_without_the_csrf_step_it_does_not(run):
    collection = json.loads(TEXT)
    del collection["event"]
    failed = [failure["source"]["name"] for failure in run(collection)["failures"]]
    assert failed[0] == "POST /api/notes/"  # the first after the sign-in that changes something
