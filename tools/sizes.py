"""Find modules over 500 lines and functions over 40: what does not fit on a screen is two things."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 500
FUNCTION_LINES = 40
FOLDERS = ("src", "clients/python/src", "tools", "demo", "benchmarks")
#: Of JavaScript and Lua only the length of the file is looked at.
SUFFIXES = {".py", ".js", ".lua"}


def oversized(path: Path) -> Iterator[str]:
    """A line for everything in the file that is too long."""
    text = path.read_text()
    if (lines := len(text.splitlines())) > MODULE_LINES:
        yield f"{path}: {lines} lines, at most {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)) if path.suffix == ".py" else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"


def main() -> int:
    """Print what is too long; 1 when there is any."""
    paths = (path for folder in FOLDERS for path in sorted(Path(folder).rglob("*")))
    files = [path for path in paths if path.suffix in SUFFIXES]
    found = [line for path in files for line in oversized(path)]
    print("\n".join(found) or f"{len(files)} files, none too long")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
