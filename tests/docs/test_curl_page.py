"""The page on curl tells the truth: every command is run, in order, and answers what the text shows."""

from __future__ import annotations

import pytest

from tests import shell_pages
from tests.demo_server import ROOT

STEPS = shell_pages.steps(ROOT / "docs" / "howto" / "curl.md")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"line {step.line}")
def test_each_step_prints_what_the_page_shows(transcripts, step):
    shell_pages.check(step, transcripts["howto/curl.md"][step.line])


@pytest.mark.parametrize("method", ["-X PUT", "-X DELETE", '-d \'{"text"'])
def test_each_method_is_shown_by_cookie_and_by_token(method):
    text = "".join(step.commands for step in STEPS)
    assert f"{method}" in text
    for way in ('-b "$JAR" -H "X-CSRFToken: $(token)"', '-H "Authorization: Bearer $TOKEN"'):
        assert any(way in step.commands and method in step.commands for step in STEPS)
