"""What of this machine the tests use, and what they do without it: `make test` says it first."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools import postgres, servers, valkey

PACKAGED = "none here: that of a package on PyPI is installed and used"


def presented(program: Path | str | None, what: str) -> str:
    """A program, with the first line of what it says of itself, or what is not tested without it."""
    if not program:
        failure = ", which is a failure because CI is set" if os.environ.get("CI") else ""
        return f"none here: {what} NOT TESTED{failure}"
    option = "-v" if Path(program).name == "nginx" else "--version"
    done = subprocess.run([program, option], capture_output=True, check=False)
    return f"{(done.stdout or done.stderr).decode(errors='replace').strip().splitlines()[0]} ({program})"


def lines() -> Iterator[str]:
    """A line for each program."""
    programs, given = valkey.programs(), os.environ.get(valkey.VARIABLE)
    named = f"; the stages on Valkey use the one that {valkey.VARIABLE} names" if given else ""
    version, folder = postgres.machine_folder()
    own = presented(folder / "postgres", "") if version >= postgres.OLDEST else PACKAGED
    is_given = postgres.is_postgres(os.environ.get("DATABASE_URL", ""))
    yield f"PostgreSQL  {'the one that DATABASE_URL names' if is_given else own}"
    yield f"MariaDB     {presented(servers.find('mariadbd', 'mysqld'), 'the deployed site on it is')}"
    yield f"Valkey      {presented(programs.get('valkey'), 'sessions in it are')}{named}"
    yield f"Redis       {presented(programs.get('redis'), 'sessions in it are')}"
    yield f"PgBouncer   {presented(servers.find('pgbouncer'), 'connections through it are')}"
    yield f"nginx       {presented(servers.find('nginx'), 'a cache in front of the site is')}"
    browser = servers.find("chromium", "chromium-browser", "google-chrome")
    yield f"Chromium    {presented(browser, 'the pages in a browser are')}"
    yield f"Node.js     {presented(shutil.which('node'), 'the Postman collection (make test-all) is')}"
