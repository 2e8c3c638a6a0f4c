"""A private MariaDB. `python -m tests.servers.mariadb COMMAND…` runs the command with one as DATABASE_URL."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import servers
from tools.servers import Unavailable

MISSING = "No MariaDB: install its server (on Debian and Ubuntu: apt-get install mariadb-server)."
_OPTIONS = (
    *(
        "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4",
    ),  # the latter as in Debian's configuration
    *("--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--max-connections=200"),
)


def programs() -> tuple[str, str]:
    """What makes a database's folder, and the server.

    Raises:
        Unavailable: this machine has none.
    """
    install, server = (
        servers.find("mariadb-install-db", "mysql_install_db"),
        servers.find("mariadbd", "mysqld"),
    )
    if install is None or server is None:
        raise Unavailable(MISSING)
    return install, server


def make(folder: Path, *options: str) -> servers.Server:
    """Prepare a server in an empty folder."""
    (install, program), password, port = programs(), secrets.token_hex(16), servers.free_port()
    setup = folder / "setup.sql"
    setup.write_text(
        f"CREATE USER 'sessionkeeper'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'sessionkeeper'@'127.0.0.1';\n"
        "CREATE DATABASE sessionkeeper CHARACTER SET utf8mb4;\n"
    )
    (folder / "log").touch()
    identity = servers.unprivileged(folder, "mysql")
    data = ["--no-defaults", f"--datadir={folder / 'data'}"]
    servers.run(
        [install, *data, "--auth-root-authentication-method=normal", "--skip-test-db"], folder, identity
    )
    command = [program, *data, f"--port={port}", f"--socket={folder / 'socket'}", f"--init-file={setup}"]

    def is_ready() -> bool:
        """Ask for a connection."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    url = f"mysql://sessionkeeper:{password}@127.0.0.1:{port}/sessionkeeper"
    return servers.Server(url, folder, [*command, *_OPTIONS, *options], is_ready, identity=identity)


@contextlib.contextmanager
def private_server(*options: str) -> Iterator[str]:
    """Start a server with further options, give its URL, stop it and remove every trace, also on Ctrl-C."""
    with servers.running(lambda folder: make(folder, *options)) as server:
        yield server.url


if __name__ == "__main__":
    sys.exit(servers.run_beside(private_server, "DATABASE_URL"))
