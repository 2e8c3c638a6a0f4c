"""The map of the code is that of the code."""

import pkgutil
import re

import pytest

from tests.demo_server import ROOT
from tests.pages import architecture

PAGE = (ROOT / "docs/architecture.md").read_text()


def test_the_picture_shows_the_imports_of_today():
    assert architecture.PICTURE.read_text() == architecture.drawing()


def test_each_package_is_on_the_page():
    named = set(re.findall(r"^\| `(\w+)(?:\.py)?` \|", PAGE, re.MULTILINE))
    assert named == {part for layer in architecture.LAYERS for part in layer} - {"apps"}


def test_each_module_that_the_page_begins_with_is_there():
    for package, begin in re.findall(r"^\| `(\w+)` \|.*\| `([\w./]+)` \|$", PAGE, re.MULTILINE):
        assert (architecture.SOURCE / package / begin).is_file(), package


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z]\w*(?:/[a-z]\w*)+\.py)`", PAGE))))
def test_each_file_on_the_page_is_there(path):
    folders = architecture.SOURCE, architecture.SOURCE / "management", ROOT
    assert any((folder / path).is_file() for folder in folders)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+(?:\.\w+)+)`", PAGE))))
def test_each_name_on_the_ways_is_there(name):
    package, *_ = name.split(".")
    if package == "django" or name.endswith((".py", ".md")) or not (architecture.SOURCE / package).is_dir():
        return
    assert pkgutil.resolve_name(f"sessionkeeper.{name}") is not None
