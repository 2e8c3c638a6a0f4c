"""Everything that can be checked without running the suite; every step runs, also after one has failed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import wheel
from tools.environment import ROOT, VENV

BIN = VENV / "bin"
PYTHON_FOLDERS = [
    name
    for name in ("src", "clients", "tests", "tools", "demo", "benchmarks", "noxfile.py")
    if (ROOT / name).exists()
]
STEPS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", *PYTHON_FOLDERS],
    "lint": [BIN / "ruff", "check", *PYTHON_FOLDERS],
    "types": [BIN / "mypy"],
    "layers": [BIN / "lint-imports"],
    "requirements": [sys.executable, "-m", "tools.requirements", "--check"],
    "sizes": [sys.executable, "-m", "tools.sizes"],
    "migrations": [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run", "sessionkeeper"],
    "docs": [BIN / "zensical", "build", "--strict"],
}


def run(name: str, command: list[str | Path]) -> bool:
    """Run one step; its output is shown only when it fails."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    env.pop("DATABASE_URL", None)
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    print(
        f"{name:<12} {'FAILED' if done.returncode else 'ok':<7} {time.monotonic() - start:5.1f} s", flush=True
    )
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def check_metadata() -> bool:
    """Build the wheel and let twine read it."""
    with tempfile.TemporaryDirectory() as name:
        built = wheel.build(Path(name))
        return run("metadata", [BIN / "twine", "check", "--strict", built])


def main() -> int:
    """Run the steps; 1 when one failed."""
    failed = [name for name, command in STEPS.items() if not run(name, command)]
    if not check_metadata():
        failed.append("metadata")
    print(f"FAILED: {', '.join(failed)}" if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
