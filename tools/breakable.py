"""Private servers that tests and the soak kill, pause and start again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tools import postgres, servers, valkey

#: Nothing that was acknowledged is lost when the process dies. (That the machine dies is not tried.)
PERSISTED = ("--appendonly", "yes", "--appendfsync", "always")
_DURABLE = ("fsync=off", "max_connections=100")


@contextlib.contextmanager
def running(kind: str, *options: str) -> Iterator[servers.Server]:
    """Start a ``valkey``, ``redis`` or ``postgres``; end it in whatever state, leave no trace."""

    def make(folder: Path) -> servers.Server:
        if kind == "postgres":
            return postgres.make(folder, (*_DURABLE, *options))
        program = valkey.programs().get(kind)
        if program is None:
            raise servers.Unavailable(valkey.MISSING)
        return valkey.make(program, folder, *options)

    with servers.running(make) as server:
        yield server
