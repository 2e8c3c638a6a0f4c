"""The page on other people's code says of Django's own tests what is run, and what differs."""

from __future__ import annotations

import re

from tests.demo_server import ROOT
from tests.upstream.suites.differences import SUITES, listed

PAGE = (ROOT / "docs" / "howto" / "compatibility.md").read_text()


def rows(heading):
    """Return the rows of the table whose first line this is."""
    table = PAGE.partition(f"{heading}\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| (`.*) \|$", table, re.MULTILINE)


def test_the_page_names_the_suites_that_are_run():
    assert rows("| suite | what it is about |") == [f"`{name}` | {about}" for name, about in SUITES.items()]


def test_the_page_names_each_test_that_differs_and_why():
    assert rows("| test | with | why |") == [
        f"`{name}` | {' and '.join(one.depths)} | {one.reason}" for one in listed() for name in one.tests
    ]
