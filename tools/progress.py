"""A plugin of pytest for stages that run side by side: says how far one is, and a failure when it happens.

What pytest itself prints goes to a file and is shown as the stage ends. These lines go to the terminal.
"""

from __future__ import annotations

import os
import time
from typing import Any

#: The environment variables that hold the stage's name and the file descriptor of the terminal.
STAGE, TERMINAL = "SESSIONKEEPER_STAGE", "SESSIONKEEPER_TERMINAL"
EVERY = 10.0  # seconds between two lines
_LONGEST = 400  # with less than PIPE_BUF characters, lines of two stages are never mixed


class Progress:
    """Counts the tests of one run."""

    def __init__(self, name: str, terminal: int) -> None:
        self.name, self.terminal = name, terminal
        self.total = self.done = self.failed = 0
        self.told = self.begun = time.monotonic()

    def say(self, text: str) -> None:
        """Write a line at once."""
        line = f"[{self.name}] {text}"[:_LONGEST].encode(errors="replace").replace(b"\n", b" ")
        os.write(self.terminal, line + b"\n")
        self.told = time.monotonic()

    def pytest_collection_finish(self, session: Any) -> None:
        """Say how many tests there are."""
        self.total = len(session.items)
        self.say(f"{self.total:,} tests")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say from time to time how far the run is, and which test begins."""
        if time.monotonic() - self.told >= EVERY:
            share = self.done * 100 // max(self.total, 1)
            self.say(f"{share}%, {self.done:,} of {self.total:,}, {self.failed} failed; now {nodeid}")

    def pytest_runtest_logfinish(self) -> None:
        """Count."""
        self.done += 1

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Say what failed, and why, when it happens."""
        if report.failed:
            self.failed += 1
            crash = getattr(report.longrepr, "reprcrash", None)
            self.say(f"FAILED {report.nodeid}{f': {crash.message}' if crash else ''}")

    def pytest_collectreport(self, report: Any) -> None:
        """Say which file cannot be imported."""
        if report.failed:
            self.failed += 1
            self.say(f"FAILED {report.nodeid}, which cannot be imported")

    def pytest_report_teststatus(self, report: Any) -> Any:
        """Print no dots: they are for those who watch."""
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_sessionfinish(self) -> None:
        """Say how long it took."""
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        self.say(f"ended after {minutes} m {seconds:02} s: {self.done:,} tests, {self.failed} failed")


def pytest_configure(config: Any) -> None:
    """Begin to count, if this is a stage: a test that runs pytest is none."""
    if os.environ.get(TERMINAL):
        progress = Progress(os.environ.pop(STAGE, ""), int(os.environ.pop(TERMINAL)))
        config.pluginmanager.register(progress, "stage-progress")
