"""``python -m benchmarks.pages``: take over what was measured last, draw the plots, write the tables.

Without new files in ``benchmarks/out/`` the results stay as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import plots, tables

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "benchmarks" / "out"
RESULTS = ROOT / "benchmarks" / "results"
IMAGES = ROOT / "docs" / "images"
PAGE = ROOT / "docs" / "benchmarks.md"
#: Each file of results, and how the files are called that the measurements leave.
KINDS = {"requests": "2*.json", "growth": "growth-*.json", "servers": "servers-*.json"}


def take(out: Path, results: Path) -> list[Path]:
    """Copy the newest file of each kind, without the numbers of single rounds; return what was taken."""
    taken = []
    for name, pattern in KINDS.items():
        for path in sorted(out.glob(pattern))[-1:]:
            found = json.loads(path.read_text(encoding="utf-8"))
            for one in found["results"].values():
                one.pop("rounds", None)
            (results / f"{name}.json").write_text(
                json.dumps(rounded(found), indent=1) + "\n", encoding="utf-8"
            )
            taken.append(path)
    return taken


def rounded(found: Any) -> Any:
    """Return the same with numbers of five digits, which is more than they mean."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    if isinstance(found, list):
        return [rounded(value) for value in found]
    return float(f"{found:.5g}") if isinstance(found, float) else found


def load(results: Path = RESULTS) -> dict[str, Any]:
    """Return the results that the page shows."""
    return {name: json.loads((results / f"{name}.json").read_text(encoding="utf-8")) for name in KINDS}


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="folder with the files of the measurements")
    options = parser.parse_args(given)
    for path in take(options.out, RESULTS):
        print(f"taken: {path}")
    results = load()
    for name, text in plots.drawings(results):
        (IMAGES / name).write_text(text, encoding="utf-8")
    PAGE.write_text(tables.render(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    for reach, found in tables.reaches.measured(results):
        if found is None or not reach.holds(found):
            print(
                f"missed: {reach.what}: {reach.aim}; {found if found is None else reach.shown.format(found)}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
