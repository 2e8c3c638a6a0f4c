"""Pages of the documentation whose commands are run, in order, against a running demo.

A ```bash block is commands; a ```text block right after it is what they print, where `…` stands for anything
within a line and a line that is only `…` for any lines. All commands share one shell.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.demo_server import ROOT, Site

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("bash", "sh", "shell", "console", "zsh")
END = "----- end of step {} -----"
START = "make demo\n"  # runs until it is stopped, so that the tests run it themselves


@dataclass(frozen=True)
class Step:
    """One block of commands and what it should print (None: not shown)."""

    line: int
    commands: str
    shown: str | None


def steps(page: Path) -> list[Step]:
    """The steps of a page."""
    text = page.read_text()
    found, before = [], ("", 0)
    for fence in FENCE.finditer(text):
        language, body = fence.groups()
        line = text.count("\n", 0, fence.start()) + 1
        if language == "text":
            follows = found and before[0] == "bash" and not text[before[1] : fence.start()].strip()
            assert follows, f"line {line}: a text block stands right after the bash block that prints it"
            found[-1] = Step(found[-1].line, found[-1].commands, body)
        elif language in SHELLS:
            assert language == "bash", f"line {line}: blocks of commands are called bash"
            found.append(Step(line, body, None))
        before = (language, fence.end())
    return found


def pattern(shown: str) -> re.Pattern[str]:
    """What is shown, as a pattern for what is printed."""
    lines = []
    for line in shown.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \r]*\n")
    return re.compile("".join(lines))


def transcript(site: Site, folder: Path, wanted: list[Step]) -> dict[int, str]:
    """What each step printed, by its line in the page."""
    script = "".join(f"{step.commands}\necho '{END.format(step.line)}'\n" for step in wanted)
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
    script = script.replace(".venv/bin/python", sys.executable)
    (folder / ".curlrc").write_text("silent\n")  # as at a terminal: no progress meter
    env = {**site.env, "TMPDIR": str(folder), "CURL_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [shutil.which("bash"), "-c", f"exec 2>&1\n{script}"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout.replace(f"127.0.0.1:{site.port}", "127.0.0.1:8000")
    outputs = {}
    for step in wanted:
        outputs[step.line], _, printed = printed.partition(END.format(step.line) + "\n")
    return outputs


def check(step: Step, printed: str) -> None:
    """Assert that a step printed what the page shows."""
    if step.shown is None:
        assert printed == "", "a step that prints something has a text block that shows it"
        return
    printed = printed if printed.endswith("\n") else printed + "\n"
    assert pattern(step.shown).fullmatch(printed), f"shown:\n{step.shown}\nprinted:\n{printed}"
