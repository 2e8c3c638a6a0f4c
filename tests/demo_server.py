"""The demo site as visitors meet it: the program behind `make demo`, and a client with cookies."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parent.parent
ALICE = {"username": "alice", "password": "wonderland-tea-party"}
ADMIN = {"username": "admin", "password": "looking-glass-house"}
READY = "Quit the server with"


@dataclass
class Site:
    """A running demo: where it is, how to run its `manage.py`, and what it printed so far."""

    port: int
    env: dict[str, str]
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command of the demo on the same database."""
        return run_manage(self.env, *arguments)


def run_manage(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a management command of the demo."""
    command = [sys.executable, "demo/manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def demo_environment(database_url: str, settings: str = "demo.settings") -> dict[str, str]:
    """The environment of a demo on that database: ours, without the suite's own settings."""
    theirs = ("SESSIONKEEPER_STORE", "PORT", "NO_PROXY", "no_proxy")
    env = {name: value for name, value in os.environ.items() if name not in theirs}
    path = os.pathsep.join(filter(None, [env.get("PYTHONPATH"), str(ROOT)]))
    return {
        **env,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": settings,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """The URL of an empty database: on the server that the suite uses if that is PostgreSQL, else a file."""
    url = urlsplit(os.environ.get("DATABASE_URL", ""))
    if not url.scheme.startswith("postgres"):
        yield f"sqlite:///{folder / 'demo.sqlite3'}"
        return
    import psycopg

    name = f"demo_{secrets.token_hex(6)}"
    with closing(psycopg.connect(url.geturl(), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_demo(folder: Path, settings: str = "demo.settings") -> Iterator[Site]:
    """Serve the demo on a free port with an empty database, until the block ends."""
    with fresh_database(folder) as database_url:
        site = Site(free_port(), demo_environment(database_url, settings))
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.demo"],
            cwd=ROOT,
            env={**site.env, "PORT": str(site.port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        reader = threading.Thread(target=follow, args=(process, site.log, ready))
        reader.start()
        try:
            assert ready.wait(timeout=120), f"the demo did not start in two minutes: {''.join(site.log)}"
            assert process.poll() is None, "".join(site.log)
            yield site
        finally:
            process.terminate()
            process.wait()
            reader.join()
            process.stdout.close()


def follow(process: subprocess.Popen[str], log: list[str], ready: threading.Event) -> None:
    """Keep what the process prints; say when it serves, or has ended."""
    for line in process.stdout:
        log.append(line)
        if READY in line:
            ready.set()
    process.wait()
    ready.set()


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Visitor:
    """A client that keeps cookies, and sends no header that a test does not name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, Morsel[str]] = {}

    def send(
        self, method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request as it is."""
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        sent = {**({"Cookie": cookies} if cookies else {}), **(headers or {})}
        with closing(HTTPConnection("127.0.0.1", self.site.port)) as connection:
            connection.request(method, path, body or None, sent)
            response = connection.getresponse()
            text = response.read().decode()
        for line in response.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return Answer(response.status, response.headers, text)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def token(self) -> str:
        """A CSRF token, asked for as programs do."""
        return self.get("/api/auth/csrf/").json["csrf_token"]

    def send_json(self, method: str, path: str, data: Any) -> Answer:
        """Send JSON with a CSRF token."""
        headers = {"Content-Type": "application/json", "X-CSRFToken": self.token()}
        return self.send(method, path, json.dumps(data), headers)

    def submit(self, path: str, **fields: str) -> Answer:
        """Send a form with the token that the page holds."""
        fields["csrfmiddlewaretoken"] = self.token()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, urlencode(fields), headers)

    def log_in(self, credentials: dict[str, str] = ALICE) -> Answer:
        return self.send_json("POST", "/login/", credentials)
