"""Renew the lock files: all extras, every supported Python, with hashes.

`dev.txt` takes the newest Django that each Python can run, `django52.txt` stays on Django 5.2,
`postgres.txt` is the PostgreSQL server for machines without one.
"""

from __future__ import annotations

import subprocess

from tools.environment import ROOT, find_uv

FOLDER = ROOT / "requirements"
HEADER = "# Made by `make lock` from {source}; do not edit.\n"


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
    uv = find_uv()
    if uv is None:
        raise SystemExit("There is no uv in .venv: run `make clean` and then `make lock` again.")
    compile_lock(uv, "pyproject.toml", "dev.txt", "--all-extras")
    compile_lock(
        uv, "pyproject.toml", "django52.txt", "--all-extras", "--constraint", "requirements/django52.in"
    )
    compile_lock(uv, "requirements/postgres.in", "postgres.txt")


if __name__ == "__main__":
    main()
