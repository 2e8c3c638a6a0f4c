"""The server that is soaked: four processes of gunicorn or granian, some of which are killed now and then."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.environment import ROOT
from tools.servers import children, free_port

WORKERS = 4
_PATIENCE = 30
_PREPARE = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0, skip_checks=True)
for number in range({users}):
    get_user_model().objects.create_user(f"person{{number}}", password={password!r})
"""


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        return children(self.process.pid)


def command(kind: str, port: int) -> list[str]:
    """What starts a server."""
    programs = Path(sys.executable).parent
    if kind == "gunicorn":
        options = ["-b", f"127.0.0.1:{port}", "-w", str(WORKERS), "-k", "gthread", "--threads", "4"]
        return [str(programs / "gunicorn"), *options, "--log-level", "critical", "benchmarks.soak.wsgi"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS), "--no-ws"]
    options += ["--respawn-failed-workers", "--log-level", "critical"]
    if kind == "granian-asgi":
        options += ["--interface", "asginl", "benchmarks.soak.asgi:application"]
    else:
        options += ["--interface", "wsgi", "--blocking-threads", "4", "benchmarks.soak.wsgi:application"]
    return [str(programs / "granian"), *options]


def environment(database: str, store: str, *, near: bool = False) -> dict[str, str]:
    """The environment of the site."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {
        **os.environ,
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "benchmarks.soak.settings",
        "PYTHONPATH": paths,
        "SOAK_STORE": store,
        "SOAK_NEAR_CACHE": "1" if near else "",
    }


def prepare(env: dict[str, str], users: int, password: str) -> None:
    """Make the tables and the users."""
    program = _PREPARE.format(users=users, password=password)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, check=True)


@contextmanager
def serving(kind: str, env: dict[str, str], log: Path) -> Iterator[Server]:
    """Run a server until the end of the block; what it says goes to a file."""
    port = free_port()
    with log.open("wb") as file:
        env = {**env, "SOAK_ASGI": "1" if kind == "granian-asgi" else ""}
        process = subprocess.Popen(
            command(kind, port), cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        _wait(process, port)
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            for worker in children(process.pid):
                os.kill(worker, 9)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/public/", timeout=2):
                return
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                raise
            time.sleep(0.1)
