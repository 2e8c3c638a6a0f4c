"""The map of the code is that of the code."""

import re

from tests.demo_server import ROOT
from tools import architecture

PAGE = (ROOT / "docs/architecture.md").read_text()


def test_the_picture_shows_the_imports_of_today():
    assert architecture.PICTURE.read_text() == architecture.drawing()


def test_each_package_is_on_the_page():
    named = set(re.findall(r"^\| `(\w+)(?:\.py)?` \|", PAGE, re.MULTILINE))
    assert named == {part for layer in architecture.LAYERS for part in layer} - {"apps"}


def test_each_module_that_the_page_begins_with_is_there():
    for package, begin in re.findall(r"^\| `(\w+)` \|.*\| `([\w./]+)` \|$", PAGE, re.MULTILINE):
        assert (architecture.SOURCE / package / begin).is_file(), package
