"""The tutorial tells the truth: every command in it is run, in order, and answers what the text shows."""

from __future__ import annotations

import pytest

from tests import shell_pages
from tests.demo_server import ROOT
from tests.shell_pages import FENCE

TUTORIAL = ROOT / "docs" / "tutorial.md"
START = shell_pages.START
STEPS = shell_pages.steps(TUTORIAL)


def test_the_tutorial_starts_with_make_demo():
    assert STEPS[0].commands == START
    assert "tools.demo" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: f"line {step.line}")
def test_each_step_prints_what_the_tutorial_shows(transcripts, step):
    shell_pages.check(step, transcripts["tutorial.md"][step.line])


@pytest.mark.parametrize(
    "snippet", [body for language, body in FENCE.findall(TUTORIAL.read_text()) if language == "python"]
)
def test_each_piece_of_code_is_the_demos_own(snippet):
    sources = [path.read_text() for path in sorted((ROOT / "demo").rglob("*.py"))]
    assert any(snippet in source for source in sources), snippet
