"""One demo, on which all documents are followed one after another."""

from __future__ import annotations

import pytest

from tests import shell_pages
from tests.demo_server import ROOT, running_demo

#: In this order. The first is followed again at the end, when the database is no longer empty.
PAGES = ("howto/curl.md", "howto/tokens.md", "tutorial.md", "howto/curl.md")


@pytest.fixture(scope="session")
def transcripts(tmp_path_factory):
    """What each step of each document printed, by the document and its line."""
    printed = {}
    with running_demo(tmp_path_factory.mktemp("documents"), "tests.demo_settings") as site:
        for page in PAGES:
            steps = [
                step for step in shell_pages.steps(ROOT / "docs" / page) if step.commands != shell_pages.START
            ]
            printed[page] = shell_pages.transcript(site, tmp_path_factory.mktemp("steps"), steps)
    return printed
