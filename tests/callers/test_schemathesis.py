"""schemathesis calls a running demo in the ways that the schema allows, and in some that it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sessionkeeper.api.openapi.operations import OPERATIONS
from tests.demo_server import running_demo

CONFIG = Path(__file__).with_name("schemathesis.toml")
RUN = "from schemathesis.cli import schemathesis; schemathesis()"
OURS = "^/api/auth/"


def test_every_answer_is_one_that_the_schema_declares(tmp_path):
    with running_demo(tmp_path, "tests.demo_settings.schema") as site:
        command = [sys.executable, "-c", RUN, "--config-file", str(CONFIG), "run", f"{site.url}/api/schema/"]
        command += ["--include-path-regex", OURS, "--checks", "all", "--no-color"]
        done = subprocess.run(
            command, cwd=tmp_path, env=site.env, capture_output=True, text=True, check=False
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert re.search(r"Tested: +(\d+)", said)[1] == str(len(OPERATIONS)), said
