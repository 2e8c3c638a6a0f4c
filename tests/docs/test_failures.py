"""Each test that the page about failures names is there, and each fault that is tested is on the page."""

from __future__ import annotations

import ast
import re

from tests.demo_server import ROOT

PAGE = (ROOT / "docs" / "operations" / "failures.md").read_text()
FAULTS = {
    node.name
    for path in (ROOT / "tests" / "faults").glob("test_*.py")
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
}


def test_the_page_names_the_tests_of_faults_and_no_other():
    assert set(re.findall(r"`(test_\w+)`", PAGE)) == FAULTS
