"""Databases that exist for one run: a SQLite file, a database of our own in PostgreSQL; perhaps a Redis."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tools import postgres


@contextlib.contextmanager
def sqlite() -> Iterator[str]:
    """Give the URL of a new SQLite file, in WAL mode once a worker opens it."""
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-bench-", ignore_cleanup_errors=True) as folder:
        yield f"sqlite:///{Path(folder) / 'db.sqlite3'}"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a new, empty database on the server of DATABASE_URL or on a private one."""
    import psycopg

    with postgres.server() as url:
        name = f"sessionkeeper_bench_{secrets.token_hex(4)}"
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            try:
                yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
            finally:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """Give the URL of a private Redis for ``cached_db``, or None: then the cache is the process's memory."""
    program = shutil.which("redis-server")
    if program is None or importlib.util.find_spec("redis") is None:
        yield None
        return
    port = postgres.free_port()
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-redis-") as folder:
        server = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(port)
            os.environ["BENCH_REDIS"] = url = f"redis://127.0.0.1:{port}/0"
            yield url
        finally:
            os.environ.pop("BENCH_REDIS", None)
            server.terminate()
            server.wait()


def _wait(port: int) -> None:
    import redis as client

    deadline = time.monotonic() + 10
    while True:
        try:
            client.Redis(port=port).ping()
        except client.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
