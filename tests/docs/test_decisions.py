"""The decisions have one form, and the index lists each of them."""

from __future__ import annotations

import re

import pytest

from tests.demo_server import ROOT

FOLDER = ROOT / "docs/decisions"
PARTS = ["Context", "Choice", "Price", "How we would notice we were wrong"]


@pytest.mark.parametrize("page", sorted(FOLDER.glob("0*.md")), ids=lambda page: page.stem[:4])
def test_a_decision_has_its_number_and_four_parts_and_is_in_the_index(page):
    number, title = re.match(r"# (\d+)\. (.+)", page.read_text()).groups()
    assert int(number) == int(page.name[:4])
    assert re.findall(r"^## (.+)", page.read_text(), re.MULTILINE) == PARTS
    assert f"- {number}. [{title}]({page.name})" in (FOLDER / "index.md").read_text()
