"""Write docs/security/requirements.md: each security requirement, and the tests that carry its mark.

python -m tests.pages.requirements            writes the page
python -m tests.pages.requirements --check    fails when the page is old or a requirement has no test
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tools.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = ROOT / "tests" / "pages" / "requirements.toml"
PAGE = ROOT / "docs" / "security" / "requirements.md"
MARK = "rule"
HEAD = """# Security requirements

Made by `python -m tests.pages.requirements` from the marks of the tests; `make check` fails when it is old or
when a line names no test. What is promised in words is in [Promises](../promises.md).

| id | requirement | tests |
| --- | --- | --- |
"""


def rules_of(decorators: list[ast.expr]) -> Iterator[str]:
    """The ids in a list of decorators, or of the marks in ``pytestmark``."""
    for one in decorators:
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == MARK:
            for argument in one.args:
                yield ast.literal_eval(argument)


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of an id and the name of a test in a file."""
    tree = ast.parse(path.read_text())
    everywhere: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "pytestmark":
            value = statement.value
            everywhere += rules_of(value.elts if isinstance(value, ast.List) else [value])
    for node in ast.walk(tree):
        is_class = isinstance(node, ast.ClassDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            node.name.startswith("Test" if is_class else "test_")
        ):
            for rule in {*rules_of(node.decorator_list), *([] if is_class else everywhere)}:
                yield rule, node.name


def collect() -> dict[str, list[str]]:
    """The names of the tests of each id."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for rule, name in marked(path):
            found[rule].add(f"`{name}`")
    return {rule: sorted(names) for rule, names in found.items()}


def read() -> dict[str, dict[str, Any]]:
    """What TOML says, each as a table."""
    given = tomllib.loads(SOURCE.read_text())
    return {rule: {"text": value} if isinstance(value, str) else value for rule, value in given.items()}


def page(rules: dict[str, dict[str, Any]], tests: dict[str, list[str]]) -> str:
    """The page as text."""
    rows = []
    for rule, row in rules.items():
        shown = f"not ours: {row['not_ours']}" if "not_ours" in row else "<br>".join(tests.get(rule, []))
        rows.append(f"| {rule} | {row['text']} | {shown} |")
    return HEAD + "\n".join(rows) + "\n"


def troubles(rules: dict[str, dict[str, Any]], tests: dict[str, list[str]]) -> Iterator[str]:
    """A sentence for each requirement without a test and each mark without a requirement."""
    for rule, row in rules.items():
        if "not_ours" not in row and not tests.get(rule):
            yield f"{rule} has no test: mark one with @pytest.mark.{MARK}({rule!r}), or say `not_ours`."
    for rule in sorted(tests.keys() - rules.keys()):
        yield f"{rule} is a mark of {', '.join(tests[rule])}, but no requirement has that id."


def main() -> int:
    """Write or check the page; 1 when something is wrong."""
    rules, tests = read(), collect()
    text = page(rules, tests)
    wrong = list(troubles(rules, tests))
    if "--check" not in sys.argv:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        wrong.append(f"{PAGE.relative_to(ROOT)} is old: run python -m tests.pages.requirements.")
    sys.stdout.write("\n".join([*wrong, f"{len(rules)} requirements\n"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
