"""Which servers tests can use on this machine: what `make test` says before its stages begin."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools import mariadb, postgres, valkey

NONE = "none here: what needs it is NOT TESTED, and fails where CI is set"
_SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


def first_line(program: Path | str, option: str = "--version") -> str:
    """What a program says of itself."""
    try:
        done = subprocess.run(
            [str(program), option], capture_output=True, text=True, check=False, errors="replace"
        )
    except OSError as error:
        return str(error)
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def on_path(*names: str) -> str:
    """The first of these programs, as it presents itself."""
    found = next(filter(None, (shutil.which(name, path=_SEARCH) for name in names)), None)
    return f"{first_line(found)} ({found})" if found else NONE


def the_postgres() -> str:
    """The PostgreSQL of a run."""
    if postgres.is_postgres(os.environ.get("DATABASE_URL", "")):
        return "the one that DATABASE_URL names"
    version, folder = max(
        ((postgres.version_of(folder), folder) for folder in set(postgres.machine_folders())),
        default=(0, Path()),
    )
    if version < postgres.OLDEST:
        return f"that of a package on PyPI: this machine has none of version {postgres.OLDEST} or newer"
    return f"{first_line(folder / 'postgres')} ({folder})"


def the_mariadb() -> str:
    """The MariaDB of a run."""
    try:
        program = mariadb.find_program("mariadbd", "mysqld")
    except postgres.Unavailable:
        return NONE
    return f"{first_line(program)} ({program})"


def lines() -> list[str]:
    """A line for each kind of server."""
    programs = valkey.programs()
    given = os.environ.get(valkey.VARIABLE)
    found = {"PostgreSQL": the_postgres(), "MariaDB": the_mariadb()}
    for name in ("valkey", "redis"):
        program = programs.get(name)
        found[name.capitalize()] = f"{first_line(program)} ({program})" if program else NONE
    if given:
        found["Valkey"] += f"; the stages on Valkey use the one that {valkey.VARIABLE} names"
    found["PgBouncer"] = on_path("pgbouncer")
    found["Chromium"] = on_path("chromium", "chromium-browser", "google-chrome")
    return [f"{name:<12}{what}" for name, what in found.items()]
