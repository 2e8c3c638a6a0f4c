"""Django's own tests, from the source distribution of the installed Django.

They are kept in `.cache/upstream/VERSION/`. `python -m tools.upstream` fetches them if need be and prints
the folder that holds `sessions_tests` and the rest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tools.environment import ROOT

CACHE = ROOT / ".cache" / "upstream"
LOCKS = ("dev.txt", "django52.txt")


class Unavailable(Exception):
    """Django's source distribution could not be had; the text says what to do."""


def download(release: str, folder: Path) -> Path:
    """Fetch the source distribution by pip, which knows this machine's index, proxy and certificates."""
    command = [*_pip(), "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    command += [
        "--retries",
        "2",
        "--no-deps",
        "--no-binary",
        "Django",
        "--dest",
        str(folder),
        f"Django=={release}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [*folder.glob("*.tar.gz")]
    if done.returncode or not found:
        log = ROOT / ".cache" / "upstream.log"
        log.write_text(done.stdout + done.stderr)
        raise Unavailable(
            f"Django {release}'s source distribution could not be downloaded "
            "(pip's words are in .cache/upstream.log): connect to the internet "
            "or set PIP_INDEX_URL, and run again."
        )
    return found[0]


def _pip() -> list[str]:
    """Return how to run pip: this environment's, or one that uv fetches, which makes environments without."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = [sys.executable, "-m", "uv", "run", "--no-project", "--python", sys.executable]
    return [*uv, "--with", "pip", "python", "-m", "pip"]


def require_known(archive: Path) -> None:
    """Refuse an archive whose hash is not in our lock files."""
    name = hashlib.sha256(archive.read_bytes()).hexdigest()
    if not any(name in (ROOT / "requirements" / lock).read_text() for lock in LOCKS):
        raise Unavailable(
            f"{archive.name} has no hash that requirements/ knows: run `make lock`, or do not trust it."
        )


def tests_folder() -> Path:
    """The folder with Django's tests, fetched on first use."""
    release = version("Django")
    wanted = CACHE / release / "tests"
    if wanted.is_dir():
        return wanted
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        archive = download(release, folder)
        require_known(archive)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (tests,) = folder.glob("*/tests")
        complete = folder / "complete"
        complete.mkdir()
        shutil.move(tests, complete / "tests")
        try:
            os.replace(complete, wanted.parent)
        except OSError:  # another run was faster
            if not wanted.is_dir():
                raise
    return wanted


if __name__ == "__main__":
    try:
        print(tests_folder())
    except Unavailable as error:
        raise SystemExit(str(error)) from None
