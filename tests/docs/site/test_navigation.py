"""One can read one's way through the documentation: each page has its place in the navigation, once."""

from __future__ import annotations

import tomllib
from collections import Counter

from tests.demo_server import ROOT

SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
DOCS = ROOT / "docs"
SECTIONS = ["Start", "How it works", "How-to", "Deploy", "Security", "Reference", "Project"]


def pages_in(part):
    """The pages of a part of the navigation, in reading order."""
    if isinstance(part, str):
        return [part]
    parts = part.values() if isinstance(part, dict) else part
    return [page for one in parts for page in pages_in(one)]


def pages_to_read():
    """Every page, but for the single decisions, which their index lists."""
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    return {page for page in pages if not page.startswith("decisions/") or page == "decisions/index.md"}


def test_every_page_is_in_the_navigation_once():
    listed = Counter(pages_in(SITE["nav"]))
    missing = sorted(pages_to_read() - set(listed))
    assert not missing, f"add to `nav` in zensical.toml: {', '.join(missing)}"
    absent = sorted(set(listed) - pages_to_read())
    assert not absent, f"`nav` in zensical.toml names pages that are not there: {', '.join(absent)}"
    assert [page for page, times in listed.items() if times > 1] == []


def test_the_sections_are_in_reading_order():
    assert [next(iter(section)) for section in SITE["nav"]] == SECTIONS


def test_the_site_names_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"django-sessionkeeper {version} " in SITE["copyright"]
