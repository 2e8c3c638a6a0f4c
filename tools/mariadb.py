"""A private MariaDB server for one run: in a temporary folder, on a free loopback port, gone afterwards.

`python -m tools.mariadb COMMAND…` runs the command with DATABASE_URL pointing at one.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.postgres import Unavailable, free_port, run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "No MariaDB: install its server (on Debian and Ubuntu: apt-get install mariadb-server)."
START_WITHIN = 60.0


def find_program(*names: str) -> str:
    """The path of a program of MariaDB's server.

    Raises:
        Unavailable: this machine has none.
    """
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    for name in names:
        found = shutil.which(name, path=search)
        if found:
            return found
    raise Unavailable(MISSING)


def server_user() -> list[str]:
    """The option that drops root, which MariaDB refuses to run as."""
    if os.geteuid() != 0:
        return []
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return [f"--user={name}"]
    raise Unavailable(
        "MariaDB does not run as root and there is no user `mysql` or `nobody`: run as another user."
    )


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once the port takes connections."""
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    tail = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise Unavailable(f"MariaDB did not start: {' / '.join(tail)}")


@contextlib.contextmanager
def private_server(*options: str) -> Iterator[str]:
    """Start a server, give its URL, stop it and remove every trace, also on Ctrl-C.

    Args:
        options: further options of the server, as on its command line.
    """
    install = find_program("mariadb-install-db", "mysql_install_db")
    program, user = find_program("mariadbd", "mysqld"), server_user()
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-my-", ignore_cleanup_errors=True) as name:
        folder, password, port = Path(name), secrets.token_hex(16), free_port()
        log, setup = folder / "log", folder / "setup.sql"
        setup.write_text(
            f"CREATE USER 'sessionkeeper'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO 'sessionkeeper'@'127.0.0.1';\n"
            "CREATE DATABASE sessionkeeper CHARACTER SET utf8mb4;\n"
        )
        if user:
            owner = user[0].partition("=")[2]
            shutil.chown(folder, owner)
            shutil.chown(setup, owner)
        data = ["--no-defaults", f"--datadir={folder / 'data'}", *user]
        with log.open("wb") as output:
            quiet = ["--auth-root-authentication-method=normal", "--skip-test-db"]
            done = subprocess.run(
                [install, *data, *quiet], stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False
            )
            if done.returncode:
                raise Unavailable(f"MariaDB could not be set up: {log.read_text(errors='replace')[-300:]}")
            network = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'socket'}"]
            fast = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--max-connections=200"]
            network += ["--character-set-server=utf8mb4"]  # what Debian's configuration says
            command = [program, *data, *network, *fast, f"--init-file={setup}", *options]
            server = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            try:
                wait_until_it_answers(server, port, log)
                yield f"mysql://sessionkeeper:{password}@127.0.0.1:{port}/sessionkeeper"
            finally:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    sys.exit(run_beside(private_server))
