"""Each test that the page about failures names is there, and each fault that is tested is on the page."""

from __future__ import annotations

import ast
import re

from sessionkeeper.stores.database import errors
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


TABLES = {"PostgreSQL": errors.POSTGRESQL, "MySQL, MariaDB": errors.MYSQL, "SQLite": errors.SQLITE}


def test_the_page_says_of_each_code_what_it_is_taken_for():
    said = {
        (server, code, kind)
        for server, codes, kind in re.findall(
            r"^\| ([\w, ]+) \| (`[^|]+`) \| ([\w-]+) \|$", PAGE, re.MULTILINE
        )
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert said == {
        (server, str(code), kind.value) for server, table in TABLES.items() for code, kind in table.items()
    }
