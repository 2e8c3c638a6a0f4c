"""Renew the lock files: all extras, every supported Python, with hashes.

`dev.txt` takes the newest Django that each Python can run, `django52.txt` stays on Django 5.2,
`postgres.txt` is the PostgreSQL server for machines without one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.environment import LOG, ROOT, explain_failure, find_uv, run_logged

FOLDER = ROOT / "requirements"
HEADER = "# Made by `make lock` from {source}; do not edit.\n"


def obtain_uv(folder: Path) -> str:
    """The uv of this machine, else one in a throw-away environment."""
    uv = find_uv()
    if uv:
        return uv
    LOG.unlink(missing_ok=True)
    print("Fetching uv, which makes the lock files", flush=True)
    if not run_logged([sys.executable, "-m", "venv", str(folder)]):
        raise SystemExit("A virtual environment for uv could not be made: see .cache/install.log.")
    if not run_logged([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"]):
        raise SystemExit(explain_failure())
    return str(folder / "bin" / "uv")


def compile_lock(uv: str, source: str, target: str, *options: str) -> None:
    """Write one lock file."""
    command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--upgrade",
        "--no-header",
    ]
    command += ["--python-version", "3.11", *options, source, "-o", f"requirements/{target}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"requirements/{target} could not be made:\n{done.stderr}")
    path = FOLDER / target
    path.write_text(HEADER.format(source=source) + path.read_text())
    print(f"requirements/{target}")


def main() -> None:
    """Renew all three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uv = obtain_uv(folder / "uv")
        (folder / "django52").write_text("Django<5.3\n")
        compile_lock(uv, "pyproject.toml", "dev.txt", "--all-extras")
        compile_lock(
            uv, "pyproject.toml", "django52.txt", "--all-extras", "--constraint", str(folder / "django52")
        )
        compile_lock(uv, "requirements/postgres.in", "postgres.txt")


if __name__ == "__main__":
    main()
