"""The page on tokens tells the truth: its commands work in the demo, and its pattern finds tokens."""

from __future__ import annotations

import re
from zlib import crc32

import pytest

from sessionkeeper.core import keys
from tests import shell_pages
from tests.demo_server import ROOT

PAGE = ROOT / "docs/howto/tokens.md"
TEXT = PAGE.read_text()
STEPS = shell_pages.steps(PAGE)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_the_pattern_finds_tokens_and_the_checksum_is_as_described():
    pattern = re.search(r"```regex\n(.*)\n```", TEXT)[1]
    for _ in range(100):
        token = keys.to_bearer(keys.mint())
        assert re.findall(pattern, f'TOKEN="{token}"') == [token]
        number = 0
        for digit in token[-6:]:
            number = number * 62 + ALPHABET.index(digit)
        assert number == crc32(token[5:45].encode())
        assert keys.parse_id(token[5:16]) == keys.parse_bearer(token).id


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"line {step.line}")
def test_each_step_prints_what_the_page_shows(transcripts, step):
    shell_pages.check(step, transcripts["howto/tokens.md"][step.line])
