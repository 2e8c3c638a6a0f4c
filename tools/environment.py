"""Bring `.venv` to what `uv.lock` says, with the groups of packages that a command needs.

`python -m tools.environment demo` adds one group, without a name all of them; `--into FOLDER` fills another
environment, without this project. uv does it, fetched by pip if need be. Where uv cannot be had, pip installs
the same versions. A second run with the same lock returns at once.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "uv.lock"
LOG = ROOT / ".cache" / "install.log"
#: The distributions of this repository, and the folders that they are in.
DISTRIBUTIONS = {"django-sessionkeeper": ROOT, "sessionkeeper-client": ROOT / "clients" / "python"}
GROUPS = ("bench", "check", "demo", "docs", "test")
OFFLINE_SIGNS = "connect|resol|dns error|failed to fetch|unreachable|no matching distribution|proxy|timed out"
OFFLINE = (
    "The Python package index cannot be reached: connect to the internet, or set PIP_INDEX_URL to an index "
    "that you can reach, and run make again (what the installer said is in .cache/install.log)."
)


def locked() -> list[dict[str, Any]]:
    """The packages in the lock."""
    packages: list[dict[str, Any]] = tomllib.loads(LOCK.read_text())["package"]
    return packages


def versions(name: str) -> list[str]:
    """The versions of a package in the lock, oldest first."""
    found = [package["version"] for package in locked() if package["name"] == name]
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def run_logged(*command: str, **environment: str) -> bool:
    """Run an installer with its output in the log; True when it succeeded."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        env = {**os.environ, **environment}
        with contextlib.suppress(OSError):
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=env, check=False)
            return done.returncode == 0
    return False


def explain_failure() -> str:
    """The sentence for a failed installation, judged by what the installers wrote."""
    said = LOG.read_text(errors="replace").lower()
    if re.search(OFFLINE_SIGNS, said):
        return OFFLINE
    if "no space left" in said:
        return "The disk is full: free some space and run make again."
    return "The packages could not be installed: see .cache/install.log for what the installer said."


def find_uv() -> str | None:
    """The path of a uv that really runs (a pyenv shim may be on PATH and do nothing); fetched if need be."""
    own = str(VENV / "bin" / "uv")
    for uv in (own, shutil.which("uv")):
        if uv and run_logged(uv, "--version"):
            return uv
    return own if run_logged(*pip(VENV), f"uv=={versions('uv')[0]}") else None


def pip(venv: Path) -> list[str]:
    """How pip installs into an environment."""
    options = ("--disable-pip-version-check", "--no-input", "install", "--retries", "2")
    return [str(venv / "bin" / "python"), "-m", "pip", *options]


def requirements(group: str) -> list[str]:
    """A group's packages as pip's arguments."""
    found: list[str] = []
    for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"][group]:
        if isinstance(one, dict):
            found += requirements(one["include-group"])
            continue
        name, bracket, extras = one.partition("[")
        folder = DISTRIBUTIONS.get(name)
        found += ["--editable", f"{folder}{bracket}{extras}"] if folder else [one]
    return found


def constraints() -> Iterator[str]:
    """The lock as constraints for pip."""
    for package in locked():
        for marker in package.get("resolution-markers", [""]):
            yield f"{package['name']}=={package['version']}{marker and f' ; {marker}'}\n"


def install(groups: Sequence[str], venv: Path = VENV, *options: str) -> None:
    """Install the groups with more options of `uv sync`, and the project where `venv` is `.venv`.

    Raises:
        SystemExit: with a sentence that says what to do.
    """
    uv = find_uv()
    wanted = [*options, *(f"--group={group}" for group in groups)]
    if venv != VENV:
        wanted.append("--no-install-workspace")
    environment = {
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "UV_PYTHON": str(venv / "bin" / "python"),
        "UV_COMPILE_BYTECODE": "1",  # as pip does: tests start many processes
    }
    if uv and run_logged(uv, "sync", "--frozen", *wanted, **environment):
        return
    # pip knows its own configuration files (mirrors, certificates), which uv does not read.
    pinned = LOG.with_name("constraints.txt")
    pinned.write_text("".join(constraints()))
    wanted = [argument for group in groups for argument in requirements(group)]
    if not run_logged(*pip(venv), "--constraint", str(pinned), *wanted):
        raise SystemExit(explain_failure())


def create_venv() -> None:
    """A new `.venv` of the running Python, with pip in it."""
    if VENV.exists():
        shutil.rmtree(VENV)
    venv = (sys.executable, "-m", "venv", str(VENV))
    if run_logged(*venv) or run_logged("uv", "venv", "--seed", "--python", sys.executable, str(VENV)):
        return
    raise SystemExit(
        f"{sys.executable} cannot make a virtual environment: install its venv module "
        "(on Debian and Ubuntu: apt-get install python3-venv) and run make again."
    )


def prepare(groups: Sequence[str]) -> None:
    """Bring `.venv` to the state that the lock and `pyproject.toml` describe."""
    stamp = VENV / "installed"
    question = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if Path(sys.prefix).resolve() != VENV and not run_logged(str(VENV / "bin" / "python"), "-c", question):
        print(f"Making .venv with Python {sys.version.split()[0]}", flush=True)
        create_venv()
    projects = [folder / "pyproject.toml" for folder in DISTRIBUTIONS.values()]
    wanted = hashlib.sha256(b"\0".join(file.read_bytes() for file in (LOCK, *projects))).hexdigest()
    known, *installed = stamp.read_text().split() if stamp.is_file() else [""]
    if known == wanted and {*groups} <= {*installed}:
        return
    LOG.unlink(missing_ok=True)
    print("Installing the locked packages (a minute or so; later runs skip this)", flush=True)
    together = sorted({*groups, *installed})
    install(together)
    stamp.write_text(" ".join([wanted, *together]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="another environment than .venv")
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}, postgres")
    given = parser.parse_args()
    LOG.parent.mkdir(exist_ok=True)
    with (LOG.parent / "environment.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two makes at once install one after the other
        if given.into:
            install(given.groups, given.into.resolve())
        else:
            prepare(given.groups or GROUPS)


if __name__ == "__main__":
    main()
