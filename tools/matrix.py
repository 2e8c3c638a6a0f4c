"""Run the suite on every supported pair of Python and Django that this machine has, and count it all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import servers, tally
from tools.environment import ROOT


def main() -> int:
    """Run nox, which says what is missing, then print the total."""
    servers.stop_on_terminate()
    with tempfile.TemporaryDirectory() as name:
        counts = Path(name) / "tally"
        env = {**os.environ, "SESSIONKEEPER_TALLY": str(counts)}
        command = [sys.executable, "-m", "nox", *sys.argv[1:]]
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        total = tally.read_records(counts)
    return tally.finish(total, broken=bool(code and not total.failed))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
