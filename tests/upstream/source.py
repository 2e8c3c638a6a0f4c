"""Django's own tests, from the source distribution of the installed Django.

They are kept in `.cache/upstream/VERSION/`. `python -m tests.upstream.source` fetches them if need be, and
prints the folder that holds `sessions_tests` and the rest.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from tools.environment import ROOT, locked
from tools.servers import Unavailable

CACHE = ROOT / ".cache" / "upstream"


def download(release: str, folder: Path) -> Path:
    """Fetch the source distribution that the lock knows, by pip, which knows this machine's index."""
    hashes = [
        one["sdist"]["hash"] for one in locked() if (one["name"], one["version"]) == ("django", release)
    ]
    if not hashes:
        raise Unavailable(f"uv.lock has no hash of Django {release}: run `make lock`.")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"Django=={release} --hash={hashes[0]}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary=Django", "--require-hashes"]
    command += ["--requirement", str(wanted), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        (ROOT / ".cache" / "upstream.log").write_text(done.stdout + done.stderr)
        raise Unavailable(
            f"Django {release}'s source distribution could not be downloaded (pip's words are in "
            ".cache/upstream.log): connect to the internet or set PIP_INDEX_URL, and run again."
        )
    return next(folder.glob("*.tar.gz"))


def tests_folder() -> Path:
    """The folder with Django's tests, fetched on first use."""
    release = version("Django")
    kept = CACHE / release
    if not kept.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            with tarfile.open(download(release, Path(name))) as tar:
                tar.extractall(name, filter="data")
            with contextlib.suppress(OSError):  # another run was faster
                next(Path(name).glob("*/tests")).parent.rename(kept)
    return kept / "tests"


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{tests_folder()}\n")
    except Unavailable as error:
        raise SystemExit(str(error)) from None
