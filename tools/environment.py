"""Make `.venv` and install the locked packages; a second run with the same lock returns at once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements" / "dev.txt"
LOG = ROOT / ".cache" / "install.log"

OFFLINE_SIGNS = (
    "connection",
    "could not connect",
    "could not resolve",
    "dns error",
    "failed to fetch",
    "name or service not known",
    "network is unreachable",
    "no matching distribution",
    "proxy",
    "temporary failure in name resolution",
    "timed out",
)
OFFLINE = (
    "The Python package index cannot be reached: connect to the internet, or set PIP_INDEX_URL to an index "
    "that you can reach, and run make again (what the installer said is in .cache/install.log)."
)


def digest(*parts: bytes) -> str:
    """One hash for all the parts."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def find_uv() -> str | None:
    """The path of a uv that really runs (a pyenv shim may be on PATH and do nothing), else None."""
    for uv in (shutil.which("uv"), str(VENV / "bin" / "uv")):
        with contextlib.suppress(OSError):
            if uv and subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0:
                return uv
    return None


def uv_environment() -> dict[str, str]:
    """The environment for uv, which does not read pip's variable for the index, nor compile as pip does."""
    env = dict(os.environ)
    if "PIP_INDEX_URL" in env:
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    env.setdefault("UV_COMPILE_BYTECODE", "1")  # as pip does: tests start many processes
    return env


def run_logged(command: Sequence[str], env: dict[str, str] | None = None) -> bool:
    """Run an installer with its output in the log; True when it succeeded."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        return subprocess.run(command, stdout=log, stderr=log, env=env, check=False).returncode == 0


def explain_failure() -> str:
    """The sentence for a failed installation, judged by what the installers wrote."""
    said = LOG.read_text(errors="replace").lower()
    if any(sign in said for sign in OFFLINE_SIGNS):
        return OFFLINE
    if "no space left" in said:
        return "The disk is full: free some space and run make again."
    return "The packages could not be installed: see .cache/install.log for what the installer said."


def pip_install(arguments: Sequence[str], python: Path = VENV_PYTHON) -> None:
    """Install into the environment of `python`: by uv when it runs, else (or when uv fails) by pip."""
    uv = find_uv()
    if uv and run_logged([uv, "pip", "install", "--python", str(python), *arguments], uv_environment()):
        return
    # pip knows its own configuration files (mirrors, certificates), which uv does not read.
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--retries", "2"]
    if not run_logged([*pip, *arguments]):
        raise SystemExit(explain_failure())


def create_venv() -> None:
    """A new `.venv` of the running Python, with pip in it."""
    if VENV.exists():
        shutil.rmtree(VENV)
    if run_logged([sys.executable, "-m", "venv", str(VENV)]):
        return
    uv = find_uv()
    if uv and run_logged([uv, "venv", "--seed", "--clear", "--python", sys.executable, str(VENV)]):
        return
    raise SystemExit(
        f"{sys.executable} cannot make a virtual environment: install its venv module "
        "(on Debian and Ubuntu: apt-get install python3-venv) and run make again."
    )


def venv_version() -> str:
    """The version `.venv` was made with, or nothing when there is no working one."""
    question = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        answer = subprocess.run([VENV_PYTHON, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip()


def up_to_date(stamp: Path, wanted: str) -> bool:
    """Whether the stamp says that this very content is installed."""
    return stamp.is_file() and stamp.read_text() == wanted


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two makes at once install one after the other."""
    LOG.parent.mkdir(exist_ok=True)
    with (LOG.parent / "environment.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def prepare() -> None:
    """Bring `.venv` to the state that the lock and `pyproject.toml` describe."""
    if (
        Path(sys.prefix).resolve() != VENV
        and venv_version() != f"{sys.version_info[0]}.{sys.version_info[1]}"
    ):
        LOG.unlink(missing_ok=True)
        print(f"Making .venv with Python {sys.version.split()[0]}", flush=True)
        create_venv()
    packages, project = VENV / "packages.stamp", VENV / "project.stamp"
    wanted = digest(LOCK.read_bytes())
    if not up_to_date(packages, wanted):
        LOG.unlink(missing_ok=True)
        print("Installing the locked packages (a minute or so; later runs skip this)", flush=True)
        pip_install(["--require-hashes", "-r", str(LOCK)])
        packages.write_text(wanted)
    wanted = digest(packages.read_bytes(), (ROOT / "pyproject.toml").read_bytes())
    if not up_to_date(project, wanted):
        pip_install(["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
        project.write_text(wanted)


if __name__ == "__main__":
    with one_at_a_time():
        prepare()
