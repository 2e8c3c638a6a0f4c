"""New projects that follow the README: `django-admin startproject`, and the lines that its diffs show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.demo_server import ROOT

README = (ROOT / "README.md").read_text()


def run(folder: Path, env: dict[str, str], *command: str) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def apply(diff: str, path: Path) -> None:
    """Change the file as the diff says. Each old part is there once; without one, lines go to the end."""
    text = path.read_text()
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        if old:
            assert text.count(old) == 1, f"not once in {path.name}: {old}"
            text = text.replace(old, new)
        else:
            text += new
    path.write_text(text)


def start(folder: Path, env: dict[str, str]) -> Path:
    """Make the project `mysite` in the folder as the README says; return the folder of its `manage.py`."""
    run(folder, env, sys.executable, "-m", "django", "startproject", "mysite")
    settings, urls = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    apply(settings, folder / "mysite/mysite/settings.py")
    apply(urls, folder / "mysite/mysite/urls.py")
    return folder / "mysite"
