"""The matrix: every supported Python with every supported Django, on SQLite, and Django's own suites.

The newest pair runs all that the main stages have, on PostgreSQL too; the others leave out what asks stores
more than Python or Django. `TESTED_PAIR=3.11-5.2` leaves out the pair that `make test-all` ran.

Interpreters are found by executing them, because a name on PATH proves nothing (pyenv's shims). A pair whose
Python is not installed is skipped and said so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nox

PAIRS = (
    ("3.11", "5.2"),
    ("3.12", "5.2"),
    ("3.12", "newest"),
    ("3.13", "5.2"),
    ("3.13", "newest"),
)
#: Versions that no classifier names before a run has shown that they work.
TRIALS = (("3.14", "newest"),)
WHEELS = ("django-sessionkeeper", "sessionkeeper-client")

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"  # with pip in it: it is what installs where uv cannot
nox.options.reuse_venv = "yes"


def find_interpreter(version: str) -> str | None:
    """The path of a Python of just this version that runs, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    places = [pyenv.glob(f"versions/{version}*/bin/python3"), uv.glob(f"cpython-{version}*/bin/python3")]
    candidates = [f"python{version}", "python3", *(str(path) for place in places for path in sorted(place))]
    question = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
    for candidate in candidates:
        try:
            said = subprocess.run(
                [candidate, "-c", question], capture_output=True, text=True, check=False
            ).stdout
        except OSError:
            continue
        found, _, path = said.strip().partition(" ")
        if found == version:
            return path
    return None


def run_suite(session: nox.Session, django: str, *, is_newest: bool) -> None:
    """Install the lock and the wheels, then run the main stages and Django's own suites."""
    installer = [sys.executable, "-m", "tools.environment", "--into", session.virtualenv.location]
    session.run_install(*installer, "test", external=True)
    if django != "newest":
        session.install(f"Django=={oldest_django()}", silent=True)
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "tools.wheel", folder, silent=True)
        options = ["--no-deps", "--no-index", "--find-links", folder, "--force-reinstall"]
        session.install(*options, *WHEELS, silent=True)
    session.run("python", "-m", "django", "--version")
    both = ["postgres"] if is_newest else []
    stages = session.posargs or ["sqlite", *both, "django-suites"]
    # What drives commands and servers of our own is the same on every pair: `make test-all` runs it once.
    left_out = ["tests/docs", "tests/tooling/test_benchmarks.py"]
    if not is_newest:
        left_out += ["tests/contract", "tests/races", "tests/attacks"]
        left_out += ["tests/unit/stores/near_cache", "tests/unit/stores/redis"]
    arguments = os.environ.get("ARGS") or " ".join(f"--ignore={path}" for path in left_out)
    session.run("python", "-m", "tools.test", "--installed", *stages, env={"ARGS": arguments})


def oldest_django() -> str:
    """The oldest Django in the lock, which is that of the oldest Python."""
    packages = tomllib.loads(Path("uv.lock").read_text())["package"]
    found = [package["version"] for package in packages if package["name"] == "django"]
    return min(found, key=lambda release: [int(part) for part in release.split(".")])


def register(version: str, django: str) -> None:
    """Make the session of one pair."""
    python = find_interpreter(version)

    def suite(session: nox.Session) -> None:
        if python is None:
            session.skip(f"Python {version} is not installed: this pair was NOT TESTED")
        run_suite(session, django, is_newest=(version, django) == PAIRS[-1])

    suite.__doc__ = f"The suite on Python {version} with Django {django}."
    nox.session(suite, name=f"tests-py{version}-django{django}", python=python or False)


for pair in (*PAIRS, *TRIALS):
    if os.environ.get("TESTED_PAIR") != f"{pair[0]}-{pair[1]}":
        register(*pair)
