"""A new project as it is deployed: made after the README, with plain ``DATABASES``, behind a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from tests import projects
from tests.demo_server import ROOT, Visitor, free_port

TEMPLATES = Path(__file__).parent / "site"
#: What a person who uses PyMySQL writes, as its documentation says.
PYMYSQL = "import pymysql\n\npymysql.install_as_MySQLdb()\n"
PREPARE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from demo.management.commands.demo_setup import PEOPLE, make_person
for name, password, email, is_staff in PEOPLE:
    make_person(name, password, email, is_staff=is_staff)
for number in range(12):
    make_person(f"guest{number}", "wonderland-tea-party", "", is_staff=True)
"""
#: A server logs one of these when something went wrong that no visitor may cause.
ALARMS = ("Traceback", "Internal Server Error", "KeyError", "CRITICAL")
PATIENCE = 60


class Project:
    """A project of `django-admin startproject` with the README's lines and the tutorial's views.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        unwanted = ("DJANGO_", "DATABASE_URL", "SESSIONKEEPER_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.folder = projects.start(folder, env)
        paths = [env.get("PYTHONPATH", ""), str(self.folder), str(ROOT / "demo")]
        self.env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        package = self.folder / "mysite"
        for name in ("settings", "urls"):
            with (package / f"{name}.py").open("a") as file:
                file.write((TEMPLATES / f"{name}.py-tpl").read_text())
        shutil.copy(TEMPLATES / "articles.py-tpl", package / "articles.py")
        shutil.copy(ROOT / "tests/http/copied_tutorial.py", package)
        (package / "__init__.py").write_text(PYMYSQL)

    def write(self, name: str, base: str = "settings", **settings: object) -> dict[str, str]:
        """Write a settings module that adds to ``base``; return the environment that names it."""
        lines = [f"{key} = {value!r}\n" for key, value in settings.items()]
        text = f"from mysite.{base} import *\n\n{''.join(lines)}"
        (self.folder / "mysite" / f"{name}.py").write_text(text)
        return {**self.env, "DJANGO_SETTINGS_MODULE": f"mysite.{name}"}

    def manage(self, env: dict[str, str], *arguments: str) -> str:
        """Run `manage.py`, which must succeed; return what it printed."""
        return projects.run(self.folder, env, sys.executable, "manage.py", *arguments)

    def prepare(self, env: dict[str, str]) -> None:
        """Make the tables, and the people of the tutorial."""
        self.manage(env, "shell", "-v", "0", "-c", PREPARE)


def command(server: str, port: int) -> list[str]:
    """What starts a server of that name on the port."""
    programs = Path(sys.executable).parent
    address = f"127.0.0.1:{port}"
    gunicorn = [str(programs / "gunicorn"), "-b", address, "--log-level", "warning"]
    granian = [
        str(programs / "granian"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    return {
        "gunicorn sync": [*gunicorn, "-k", "sync", "-w", "2", "mysite.wsgi"],
        "gunicorn gthread": [*gunicorn, "-k", "gthread", "-w", "2", "--threads", "4", "mysite.wsgi"],
        "one gthread": [*gunicorn, "-k", "gthread", "-w", "1", "--threads", "4", "mysite.wsgi"],
        "uvicorn": [
            str(programs / "uvicorn"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
            "mysite.asgi:application",
        ],
        "granian": [*granian, "--interface", "asgi", "mysite.asgi:application"],
    }[server]


@dataclass
class Served:
    """A project behind a server; what the server says goes to a file."""

    project: Project
    env: dict[str, str]
    server: str
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(self.server, self.port),
                cwd=self.project.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end, pause = time.monotonic() + PATIENCE, threading.Event()
        while not self._answers():
            running = self.process.poll() is None and time.monotonic() < end
            assert running, f"{self.server} does not answer: {self.log.read_text()}"
            pause.wait(0.05)

    def _answers(self) -> bool:
        with (
            suppress(OSError),
            closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection,
        ):
            connection.request("GET", "/api/auth/session/")
            return connection.getresponse().status == 401
        return False

    def stop(self) -> None:
        """Stop the server as an operator does."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` of the project with the settings that are served."""
        return self.project.manage(self.env, *arguments)

    def alarms(self) -> list[str]:
        """The lines of the log that tell of something that no visitor may cause."""
        return [line for line in self.log.read_text().splitlines() if any(word in line for word in ALARMS)]


@contextmanager
def serving(project: Project, env: dict[str, str], server: str, log: Path):
    """Serve the project until the block ends; nothing may have gone wrong until then."""
    site = Served(project, env, server, log)
    try:
        site.start()
        yield site
    finally:
        site.stop()
    assert site.alarms() == [], log.read_text()


class Browser(Visitor):
    """A visitor who says what a browser says of where a request comes from."""

    def fetch(self, method: str, path: str, data: object = None):
        """Do what `fetch` does on a page of the site."""
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": self.site.url}
        if data is None:
            return self.send(method, path, "", headers)
        return self.send(method, path, json.dumps(data), {**headers, "Content-Type": "application/json"})
