"""Run the suite on every supported pair of Python and Django that this machine has, and count it all."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools import postgres, tally
from tools.environment import ROOT, uv_environment


def main() -> int:
    """Run nox, which says what is missing, then print the total."""
    postgres.stop_on_terminate()
    with tempfile.TemporaryDirectory() as name:
        counts = Path(name) / "tally"
        env = {**uv_environment(), "SESSIONKEEPER_TALLY": str(counts)}
        code = subprocess.run(
            [sys.executable, "-m", "nox", *sys.argv[1:]], cwd=ROOT, env=env, check=False
        ).returncode
        total = tally.read_records(counts)
    if (code and not total.failed) or not total.passed:
        total += tally.Tally(failed=1)
    tally.record(total)
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
