"""Databases that exist for one run: a SQLite file, a database of our own in PostgreSQL; perhaps a Valkey."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tools import postgres, valkey


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
def redis() -> Iterator[tuple[str | None, str]]:
    """Give the URL of a private Valkey or Redis and its name; None: caches are the process's memory."""
    programs = valkey.programs()
    if not programs or importlib.util.find_spec("redis") is None:
        yield None, "memory of the process: no Valkey or Redis here"
        return
    name, program = next(iter(programs.items()))
    with valkey.private_server(program) as url:
        os.environ["BENCH_REDIS"] = url
        try:
            yield url, name.capitalize()
        finally:
            os.environ.pop("BENCH_REDIS", None)
