"""Which servers tests can use on this machine: what `make test` says before its stages begin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools import postgres, servers, valkey

NONE = "none here: what needs it is NOT TESTED, and fails where CI is set"


def presented(program: Path | str | None) -> str:
    """A program, with the first line of what it says of itself."""
    if not program:
        return NONE
    done = subprocess.run([program, "--version"], capture_output=True, check=False)
    return f"{(done.stdout or done.stderr).decode(errors='replace').strip().splitlines()[0]} ({program})"


def lines() -> Iterator[str]:
    """A line for each kind of server."""
    programs, given = valkey.programs(), os.environ.get(valkey.VARIABLE)
    named = f"; the stages on Valkey use the one that {valkey.VARIABLE} names" if given else ""
    version, folder = postgres.machine_folder()
    own = presented(folder / "postgres") if version >= postgres.OLDEST else "that of a package on PyPI"
    is_given = postgres.is_postgres(os.environ.get("DATABASE_URL", ""))
    yield f"PostgreSQL  {'the one that DATABASE_URL names' if is_given else own}"
    yield f"MariaDB     {presented(servers.find('mariadbd', 'mysqld'))}"
    yield f"Valkey      {presented(programs.get('valkey'))}{named}"
    yield f"Redis       {presented(programs.get('redis'))}"
    yield f"PgBouncer   {presented(servers.find('pgbouncer'))}"
    yield f"Chromium    {presented(servers.find('chromium', 'chromium-browser', 'google-chrome'))}"
