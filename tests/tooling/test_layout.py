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
    "api/throttling.py": "tests/unit/pages/test_passwords.py, at the limit that pages and endpoints share",
    "stores/memory.py": "the contract; it is for tests",
    "stores/redis/read_ahead.py": "tests/contract/test_read_ahead.py",
}
#: Folders that hold more, until some of it goes.
WIDER = {"src/sessionkeeper/engine", "tests/unit/engine", "tools"}


def modules():
    """Paths of all modules of ours, as below the package."""
    paths = (path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
    return [path for path in sorted(paths) if path.parts[0] not in {"client", "migrations"}]


def has_code(path):
    """Whether a module defines something, and is no table or face."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in ast.parse((SOURCE / path).read_text()).body)


def home_of(path):
    """Return where the test of a module is: that of a package's own code has the package's name."""
    name = path.parent.name if path.stem == "__init__" else path.stem
    return TESTS / path.parent / f"test_{name}.py"


def test_every_module_has_its_test_where_one_looks_for_it():
    without = {str(path) for path in modules() if has_code(path) and not home_of(path).is_file()}
    assert without == ELSEWHERE.keys()


def test_every_test_of_a_module_names_one():
    named = {home_of(path) for path in modules()}
    assert {path for path in TESTS.rglob("test_*.py") if path not in named} == set()


@pytest.mark.parametrize("folder", ["src", "tests", "tools", "demo", "benchmarks"])
def test_no_folder_holds_more_modules_than_one_can_take_in(folder):
    paths = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]
    number = Counter(str(path.parent) for path in paths if path.name not in {"__init__.py", "conftest.py"})
    wide = {where for where, count in number.items() if count > MOST}
    assert wide == {where for where in WIDER if where.partition("/")[0] == folder}
