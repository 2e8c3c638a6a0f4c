"""Projects of `django-admin startproject`, in which ``sessions init`` is run as people run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

USERS = """
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.contrib.auth.base_user import BaseUserManager
from django.db import models

class Customer(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)
    objects = BaseUserManager()
    USERNAME_FIELD = "email"
"""


def environment():
    """The environment of a shell that knows no project."""
    theirs = ("DJANGO_", "DATABASE_URL", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(theirs)}


def made(folder, *command):
    """Make a project by its generator in a folder; return the folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment())
    return folder


class Tree:
    """A project on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def settings(self) -> Path:
        """The settings of a simple project."""
        return self.folder / "mysite/settings.py"

    @property
    def urls(self) -> Path:
        """The routes of a simple project."""
        return self.folder / "mysite/urls.py"

    def change(self, path, *changes, more=""):
        """Replace parts of a file that are there, and add to its end."""
        text = path.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path.write_text(text + more)

    def add_app(self, name, **files):
        """Add an application with these files, and install it."""
        (self.folder / name).mkdir()
        for stem, text in {"__init__": "", **files}.items():
            (self.folder / name / f"{stem}.py").write_text(text)
        self.change(self.settings, ("INSTALLED_APPS = [", f"INSTALLED_APPS = [\n    '{name}',"))

    def run(self, *arguments, code=0):
        """Run Python with the arguments; return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def init(self, *arguments, code=0):
        """Run ``init`` as in a project that does not have sessionkeeper yet."""
        return self.run("-m", "sessionkeeper", "init", *arguments, code=code)

    def contents(self):
        """Every Python file, to see that nothing was written."""
        return {path: path.read_bytes() for path in self.folder.rglob("*.py")}

    def copy(self, to):
        """The same project elsewhere."""
        return Tree(Path(shutil.copytree(self.folder, to)))


def changed(text):
    """The lines that a printed diff adds and removes."""
    return [
        line for line in text.splitlines() if line.startswith(("+", "-")) and line[:3] not in {"+++", "---"}
    ]
