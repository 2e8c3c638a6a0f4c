"""Build the wheels and install them where tests can import them: what is tested is what is shipped.

`python -m tools.wheel FOLDER` builds both into the folder.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.environment import DISTRIBUTIONS, ROOT


def build(folder: Path, name: str = "django-sessionkeeper") -> Path:
    """Build a distribution's wheel into the folder and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=DISTRIBUTIONS[name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The wheel of {name} could not be built:\n{done.stdout}{done.stderr}")
    return next(folder.glob(f"{name.replace('-', '_')}-*.whl"))


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """A folder for PYTHONPATH with the freshly built wheels installed in it, removed afterwards.

    PYTHONPATH comes before the editable installs of the environment, so the wheels win.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=ROOT / ".cache") as name:
        wheels, target = Path(name) / "dist", Path(name) / "site"
        for distribution in DISTRIBUTIONS:
            build(wheels, distribution)
        options = ["--quiet", "--no-deps", "--no-index", "--find-links", str(wheels), "--target", str(target)]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, *options, *DISTRIBUTIONS], check=True)
        yield target


def require_outside_source(env: dict[str, str]) -> None:
    """End with a sentence if the tests would import our source instead of installed wheels."""
    question = (
        "import sessionkeeper as a, sessionkeeper_client as b; print(a.__file__, b.__file__, sep='\\n')"
    )
    said = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    where = [Path(line).resolve() for line in said.stdout.splitlines()]
    sources = [folder / "src" for folder in DISTRIBUTIONS.values()]
    if not where or any(path.is_relative_to(source) for path in where for source in sources):
        raise SystemExit(f"The tests must run against installed wheels, not {said.stdout or said.stderr}")


if __name__ == "__main__":
    for one in DISTRIBUTIONS:
        print(build(Path(sys.argv[1]), one))
