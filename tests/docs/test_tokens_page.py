"""The page on tokens tells the truth: its commands work in the demo, and its pattern finds tokens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from zlib import crc32

import pytest

from sessionkeeper.core import keys
from tests.demo_server import ROOT, running_demo

TEXT = (ROOT / "docs/howto/tokens.md").read_text()
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_the_pattern_finds_tokens_and_the_checksum_is_as_described():
    pattern = re.search(r"```text\n(.*)\n```", TEXT)[1]
    for _ in range(100):
        token = keys.to_bearer(keys.mint())
        assert re.findall(pattern, f'TOKEN="{token}"') == [token]
        number = 0
        for digit in token[-6:]:
            number = number * 62 + ALPHABET.index(digit)
        assert number == crc32(token[5:45].encode())
        assert keys.parse_id(token[5:16]) == keys.parse_bearer(token).id


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_work_in_the_demo_as_they_stand(tmp_path):
    commands = re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)[1]
    fetch, read, leave = [part.strip() for part in commands.split("\n\n") if part.startswith("curl")]
    take = 'sed \'s/.*"token":"\\([^"]*\\)".*/\\1/\''
    script = f"TOKEN=$({fetch} | {take})\n{read}\n{leave} -w '%{{http_code}}'\n{read}\n"
    with running_demo(tmp_path, "tests.demo_settings") as site:
        script = script.replace("http://127.0.0.1:8000", site.url)
        env = {**os.environ, "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=True)
    assert "Ask the cat for the way" in done.stdout
    assert "204" in done.stdout
    assert "This bearer token opens no session" in done.stdout
