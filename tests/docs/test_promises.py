"""Each promise of the documentation has a number, says where it ends, and names tests that are there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.demo_server import ROOT

TEXT = (ROOT / "docs" / "promises.md").read_text()
PROMISES = {part.partition(":")[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]}
NAMED = sorted(set(re.findall(r"^- `(tests/[^`]+)`$", TEXT, re.MULTILINE)))
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def test_promises_are_numbered_without_gaps():
    assert list(PROMISES) == [f"P-{number:02}" for number in range(1, len(PROMISES) + 1)]


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_says_where_it_ends_and_names_tests(promise):
    assert "*Not promised:*" in PROMISES[promise]
    assert re.search(r"^- `tests/", PROMISES[promise], re.MULTILINE)
    assert len(re.findall(r"^- ", PROMISES[promise], re.MULTILINE)) == len(
        re.findall(r"^- `tests/[\w/]+\.py::\w+`$", PROMISES[promise], re.MULTILINE)
    )


@pytest.mark.parametrize("named", NAMED)
def test_each_test_that_is_named_is_there(named):
    path, _, name = named.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, DEFINITION)}
