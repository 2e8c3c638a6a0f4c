"""The test of a module is where one looks for it, and no folder holds more than one can take in."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.demo_server import ROOT

SOURCE, TESTS = ROOT / "src" / "sessionkeeper", ROOT / "tests" / "unit"
MOST = 16
#: Modules without a test file of their name, and why.
ELSEWHERE = {
    "apps.py": "every test starts with it",
}


def modules():
    """Paths of all modules of ours, as below the package."""
    paths = (path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
    return [path for path in sorted(paths) if path.parts[0] != "migrations"]


def has_code(path):
    """Whether a module defines something, and is no table or face."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in ast.parse((SOURCE / path).read_text()).body)


def home_of(path):
    """Return where the test of a module is: that of a package's own code has the package's name."""
    name = path.parent.name if path.stem == "__init__" else path.stem
    return TESTS / path.parent / f"test_{name}.py"


def is_topic(path):
    """Whether a test file is about one part of a module: ``test_session_store_outages.py``."""
    return any(path.stem.startswith(f"{home.stem}_") for home in path.parent.glob("test_*.py"))


def test_every_module_has_its_test_where_one_looks_for_it():
    without = {str(path) for path in modules() if has_code(path) and not home_of(path).is_file()}
    assert without == ELSEWHERE.keys()


def test_every_test_of_a_module_names_one():
    named = {home_of(path) for path in modules()}
    assert {path for path in TESTS.rglob("test_*.py") if path not in named and not is_topic(path)} == set()


@pytest.mark.parametrize("folder", ["src", "tests", "tools", "demo", "benchmarks"])
def test_no_folder_holds_more_modules_than_one_can_take_in(folder):
    paths = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]
    counted = [
        path
        for path in paths
        if path.name not in {"__init__.py", "conftest.py"} and not is_topic(ROOT / path)
    ]
    number = Counter(str(path.parent) for path in counted)
    assert {where: count for where, count in number.items() if count > MOST} == {}
