"""Look the pinned dependencies up in PyPI's list of known holes, with pip-audit in an environment of its own.

Needs the network, so it is no part of `make check`. Exits with 1 when a hole is known, with 2 when something
could not be looked up: that is said, and is not the same as all being well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from tools.environment import ROOT

FOLDER = ROOT / ".cache" / "audit"
LOCKS = ("requirements/dev.txt", "requirements/django52.txt")


def report(found: dict[str, Any]) -> tuple[list[str], int]:
    """Return the lines that say what pip-audit found, and the exit code."""
    known, unknown, looked_up = [], [], 0
    for one in found["dependencies"]:
        if "skip_reason" in one:
            unknown.append(f"NOT LOOKED UP: {one['skip_reason']}")
            continue
        looked_up += 1
        for hole in one["vulns"]:
            fixed = ", ".join(hole.get("fix_versions") or ["none yet"])
            known.append(f"{one['name']} {one['version']}: {hole['id']}, mended in: {fixed}")
    lines = [
        *known,
        *unknown,
        f"{looked_up} looked up, {len(known)} known holes, {len(unknown)} not looked up.",
    ]
    return lines, 1 if known else 2 if unknown else 0


def look_up(lock: Path) -> dict[str, Any]:
    """Return what pip-audit says of a lock file.

    Raises:
        SystemExit: it cannot be had, or did not answer.
    """
    program = FOLDER / "bin" / "pip-audit"
    if not program.exists():
        venv.create(FOLDER, with_pip=True)
        installed = subprocess.run(
            [FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "pip-audit"], check=False
        )
        if installed.returncode:
            raise SystemExit("pip-audit could not be installed. Is there a network?")
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(
        [str(program), *options, "-r", str(lock)], capture_output=True, text=True, check=False
    )
    try:
        return json.loads(done.stdout)  # type: ignore[no-any-return]
    except ValueError:
        raise SystemExit(f"pip-audit did not answer:\n{done.stderr}") from None


def main() -> int:
    """Look up the given lock files, or all."""
    worst = 0
    for name in sys.argv[1:] or LOCKS:
        lines, code = report(look_up(ROOT / name))
        print(f"{name}:", *lines, sep="\n  ")
        worst = 1 if 1 in (worst, code) else max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
