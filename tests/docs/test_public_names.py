"""What is public is exported, documented, and all that the documentation uses."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import sessionkeeper
from sessionkeeper.testing import SessionTestMixin
from tests.demo_server import ROOT
from tests.pages import reference

SOURCE = Path(sessionkeeper.__file__).parent
#: What exports names for the layers above it, and is private.
PRIVATE = {"conf"}
FACES = reference.FACES.split()
#: What a project names in its settings, URLs and database routers, beside the public names.
CONFIGURED = {
    "sessionkeeper.api.urls",
    "sessionkeeper.pages.urls",
    "sessionkeeper.problem_index",
    "sessionkeeper.Session",
}
#: These pages are about the inside.
ABOUT_THE_INSIDE = {"architecture.md", *(path.name for path in (ROOT / "docs/decisions").iterdir())}
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in ABOUT_THE_INSIDE]
PAGES += [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "demo").rglob("*.py"))]


def loggers():
    """Return the names of all loggers."""
    return {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r'getLogger\("([\w.]+)"\)', path.read_text())
    }


def public(module):
    """Return the public names of a module."""
    return import_module(f"sessionkeeper.{module}").__all__ if module in FACES else []


def is_public(dotted):
    """Whether a dotted name is a public one, or an attribute of one."""
    _, module, *names = dotted.split(".")
    if not names and module in vars(SessionTestMixin):
        return True  # the fixture of the pytest plugin has the name of the package
    return module in FACES and (not names or names[0] in public(module))


def test_the_reference_is_that_of_the_docstrings():
    assert reference.PAGE.read_text() == reference.page(), "Run: python -m tests.pages.reference"


def test_what_is_exported_is_in_the_reference():
    modules = {
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in [*SOURCE.glob("*.py"), *SOURCE.glob("*/__init__.py")]
        if "__all__" in path.read_text()
    }
    assert modules - PRIVATE == set(FACES)


@pytest.mark.parametrize("module", sorted(set(FACES) - {"models"}))
def test_a_public_module_holds_no_code(module):
    tree = ast.parse(Path(import_module(f"sessionkeeper.{module}").__file__).read_text())
    assert all(isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign) for node in tree.body)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_names_only_what_is_public(path):
    text = path.read_text()
    dotted = set(re.findall(r"(?<![\w/.-])sessionkeeper(?!\.postman)(?:\.\w+)+", text))
    for module, names in re.findall(
        r"^ *from (sessionkeeper(?:\.\w+)*) import ([\w, ]+)$", text, re.MULTILINE
    ):
        dotted |= {f"{module}.{name.strip()}" for name in names.split(",")}
    private = {
        name
        for name in dotted - CONFIGURED - loggers()
        if not is_public(name) and not re.fullmatch(r"sessionkeeper\.[EWI]\d{3}", name)
    }
    assert private == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_says_session_id_and_not_what_holds_it(path):
    assert not re.search(r"session\.handle\b", path.read_text())
