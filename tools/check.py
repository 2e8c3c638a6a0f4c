"""Everything that can be checked without running the suite; every step runs, also after one has failed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import wheel
from tools.environment import DISTRIBUTIONS, ROOT

BIN = Path(sys.executable).parent
FOLDERS = ("src", "clients", "tests", "tools", "demo", "benchmarks", "noxfile.py")
STEPS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", *FOLDERS],
    "lint": [BIN / "ruff", "check", *FOLDERS],
    "types": [BIN / "mypy"],
    "layers": [BIN / "lint-imports"],
    "requirements": [sys.executable, "-m", "tests.pages.requirements", "--check"],
    "sizes": [sys.executable, "-m", "tools.sizes"],
    "migrations": [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run", "sessionkeeper"],
    "lock": [BIN / "uv", "lock", "--check", "--offline"],
    "docs": [BIN / "zensical", "build", "--strict"],
}


def run(name: str, command: list[str | Path]) -> bool:
    """Run one step; its output is shown only when it fails."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    env.pop("DATABASE_URL", None)
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    verdict = "FAILED" if done.returncode else "ok"
    print(f"{name:<12} {verdict:<7} {time.monotonic() - start:5.1f} s", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main() -> int:
    """Run the steps, and let twine read the wheels; 1 when one failed."""
    with tempfile.TemporaryDirectory() as name:
        wheels = [wheel.build(Path(name), distribution) for distribution in DISTRIBUTIONS]
        steps: dict[str, list[str | Path]] = {
            **STEPS,
            "metadata": [BIN / "twine", "check", "--strict", *wheels],
        }
        failed = [step for step, command in steps.items() if not run(step, command)]
    print(f"FAILED: {', '.join(failed)}" if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
