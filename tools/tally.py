"""Counts of passed, failed and skipped tests: read from pytest's reports, added up, said in one line.

`python -m tools.tally FILE` reads what runs have recorded; `-- COMMAND…` makes runs and counts them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tools import servers


@dataclass(frozen=True)
class Tally:
    """How many tests went which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_report(report: Path, exit_code: int) -> Tally:
    """The tally of one pytest run; a run that failed without a failed test counts as one failure."""
    total = Tally()
    if report.is_file():
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            total += Tally(max(0, int(suite.get("tests", 0)) - bad - skipped), bad, skipped)
    return total if total.failed or not exit_code else total + Tally(failed=1)


def record(total: Tally) -> None:
    """Add a run's tally to the file that SESSIONKEEPER_TALLY names, if it names one."""
    path = os.environ.get("SESSIONKEEPER_TALLY")
    if path:
        with Path(path).open("a") as file:
            file.write(f"{total.passed} {total.failed} {total.skipped}\n")


def finish(total: Tally, *, broken: bool = False) -> int:
    """Record and print the last line of a run; the exit code. ``broken``: what failed was no test."""
    if broken or not total.passed + total.failed:
        total += Tally(failed=1)
    record(total)
    print(total, flush=True)
    return 1 if total.failed else 0


def read_records(path: Path) -> Tally:
    """The sum of all recorded runs."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return sum((Tally(*map(int, line.split())) for line in lines), Tally())


def main() -> int:
    """Count what was recorded, or what a command runs."""
    if sys.argv[1] != "--":
        print(read_records(Path(sys.argv[1])))
        return 0
    servers.stop_on_terminate()
    with tempfile.TemporaryDirectory() as name:
        counts = Path(name) / "tally"
        env = {**os.environ, "SESSIONKEEPER_TALLY": str(counts)}
        code = subprocess.run(sys.argv[2:], env=env, check=False).returncode
        total = read_records(counts)
    return finish(total, broken=bool(code and not total.failed))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
