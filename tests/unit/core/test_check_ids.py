"""The registry of check ids: each once, used by one check, listed once in the documentation."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

from sessionkeeper.core.check_ids import RETIRED, CheckId

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "src/sessionkeeper").rglob("*.py"))
ID = re.compile(r"sessionkeeper\.[EWI]\d{3}")
LEVELS = {"Error": "E", "Warning": "W", "Info": "I"}


@cache
def code():
    """Every node of the package's code, with its file and the function that it is in."""
    return [pair for path in SOURCES for pair in inside(path.name, ast.parse(path.read_text()))]


def inside(place, node):
    """Yield a node and all below it, each with its innermost function."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        place = f"{place}:{node.lineno}"
    yield place, node
    for child in ast.iter_child_nodes(node):
        yield from inside(place, child)


def name_of(node):
    """The id of the registry that a node names, or None."""
    is_one = isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "CheckId"
    return node.attr if is_one else None


def test_every_id_is_used_by_one_check():
    users = {(name_of(node), place) for place, node in code() if name_of(node)}
    # deployment.py names what a request through the middleware settles.
    counted = Counter(name for name, place in users if not place.startswith("deployment.py"))
    assert counted == dict.fromkeys(CheckId.__members__, 1)


def test_no_id_is_written_out_but_in_the_registry():
    for path in SOURCES:
        text = path.read_text()
        assert path.name == "check_ids.py" or not re.search(rf"""["']{ID.pattern}["']""", text), path
        assert path.name == "check_ids.py" or {*ID.findall(text)} <= {*CheckId}, path


def test_the_letter_of_an_id_is_the_level_of_its_message():
    calls = [node for _, node in code() if isinstance(node, ast.Call)]
    levels = {
        (CheckId[name_of(given.value)].partition(".")[2][0], LEVELS[level])
        for node in calls
        if (level := ast.unparse(node.func).removeprefix("checks.")) in LEVELS
        for given in node.keywords
        if given.arg == "id" and name_of(given.value)
    }
    assert levels == {("E", "E"), ("W", "W"), ("I", "I")}
    assert all(ID.fullmatch(one) for one in CheckId)


def test_the_documentation_lists_each_id_once():
    text = (ROOT / "docs/reference/checks.md").read_text()
    rows = re.findall(rf"^\| `({ID.pattern})` \|", text, re.MULTILINE)
    assert Counter(rows) == dict.fromkeys(CheckId, 1)


def test_an_id_that_is_gone_is_not_given_away():
    assert RETIRED.isdisjoint(CheckId)
    assert all(ID.fullmatch(one) for one in RETIRED)
