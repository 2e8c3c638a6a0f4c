"""Build the wheel and unpack it where tests can import it: what is tested is what is shipped."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def build(folder: Path) -> Path:
    """Build the wheel into the folder and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The wheel could not be built:\n{done.stdout}{done.stderr}")
    return next(folder.glob("*.whl"))


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """A folder for PYTHONPATH with the freshly built wheel installed in it, removed afterwards.

    PYTHONPATH comes before the editable install of the environment, so the wheel wins.
    """
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=ROOT / ".cache") as name:
        wheel, target = build(Path(name) / "dist"), Path(name) / "site"
        command = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--no-deps",
        ]
        subprocess.run([*command, "--no-index", "--target", str(target), str(wheel)], check=True)
        yield target


def require_outside_source(env: dict[str, str]) -> None:
    """End with a sentence if the tests would import `src/` instead of an installed wheel."""
    question = "import sessionkeeper; print(sessionkeeper.__file__)"
    said = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    where = said.stdout.strip()
    if not where or Path(where).resolve().is_relative_to(ROOT / "src"):
        raise SystemExit(
            f"The tests must run against the installed wheel; sessionkeeper comes from {where or 'nowhere'}."
        )
