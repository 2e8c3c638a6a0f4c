"""A PgBouncer that hands two server connections to all its clients, one transaction at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.servers import free_port


@contextmanager
def pooler(folder, server):
    """Run one in front of the database that ``server`` has the settings of; give what differs in its own."""
    port = free_port()
    folder.chmod(0o755)  # it gives root's rights up before it reads this
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{server['NAME']} = host={server['HOST'] or '127.0.0.1'} port={server['PORT'] or 5432} "
        f"user={server['USER']} password={server['PASSWORD']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
        "pool_mode = transaction\ndefault_pool_size = 2\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    command = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if "process up" in line:
                    break
            else:
                pytest.fail("PgBouncer did not start.")
            yield {"HOST": "127.0.0.1", "PORT": port}
        finally:
            process.terminate()
            process.stderr.close()


def has_pooler():
    """Whether this machine has PgBouncer."""
    return shutil.which("pgbouncer") is not None or Path("/usr/sbin/pgbouncer").exists()
