"""One process that measures one configuration, for as long as the driver asks.

It reads one JSON list per line, ``[command, argument]``, and answers each with one line of JSON. The WSGI
handler is called in process, as a server would: all middleware, signals and the closing of the response are
in; sockets, an HTTP parser and a test client are not.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import django


class Site:
    """The site under measurement, and a client who has signed in."""

    def __init__(self, configuration: str) -> None:
        from django.core.handlers.wsgi import WSGIHandler

        from benchmarks import credentials
        from benchmarks.configurations import BY_NAME
        from sessionkeeper.stores.factory import get_near_cache

        self.configuration = BY_NAME[configuration]
        self.handler = WSGIHandler()
        self.credential = credentials.BY_NAME[self.configuration.credential]()
        self.environ = environ("/whoami/", self.credential)
        near = get_near_cache()
        while near is not None and not near.is_on():
            time.sleep(0.01)

    def get(self, template: dict[str, Any]) -> tuple[str, bytes]:
        """Make one request; return status and body."""
        answer: list[str] = []
        response = self.handler(
            {**template, "wsgi.input": io.BytesIO()}, lambda status, headers: answer.append(status)
        )
        body = b"".join(response)
        response.close()
        return answer[0], body

    def check(self, _: object) -> dict[str, Any]:
        """Answer right, once: a wrong credential must not be measured as a fast one."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        missing = self._missing()
        if missing:
            return {"missing": missing}
        self.get(self.environ)
        with CaptureQueriesContext(connection) as queries, sent() as commands:
            status, body = self.get(self.environ)
        wanted = "alice" if self.configuration.authentication else ""
        if not status.startswith("200") or json.loads(body) != {"user": wanted}:
            raise SystemExit(f"{self.configuration.name}: {status} {body!r}")
        return {"queries": len(queries), "commands": len(commands), "vendor": connection.vendor}

    def _missing(self) -> str:
        """Return what this release lacks of the configuration; empty: nothing."""
        from sessionkeeper import conf
        from sessionkeeper.stores.factory import get_near_cache

        wanted = self.configuration.settings.get("SESSIONKEEPER", {})
        for problem in conf.problems():
            return problem.message
        if "NEAR_CACHE" in wanted and get_near_cache() is None:
            return "There is no near cache over this store in this release."
        return ""

    def who(self, _: object) -> dict[str, str]:
        """Return how the client proves itself."""
        return self.credential

    def round(self, requests: int) -> dict[str, float]:
        """Return wall and CPU time a request, in µs."""
        get, template = self.get, self.environ
        gc.collect()
        gc.disable()
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(requests):
            get(template)
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        gc.enable()
        return {"wall": wall / requests / 1000, "cpu": cpu / requests / 1000}

    def login(self, times: int) -> dict[str, Any]:
        """Return the times of sign-ins without the password hash, in µs, their statements and commits."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        template = environ("/sign-in/", {})
        self.get(template)
        with CaptureQueriesContext(connection) as captured:
            status, _ = self.get(template)
        if not status.startswith("200"):
            raise SystemExit(f"{self.configuration.name}: a login answered {status}.")
        # Counted now: the next request empties the log.
        counts = _statements([one["sql"] for one in captured.captured_queries])
        walls, cpus = [], []
        for _ in range(times):
            start, cpu = time.perf_counter_ns(), time.process_time_ns()
            self.get(template)
            walls.append((time.perf_counter_ns() - start) / 1000)
            cpus.append((time.process_time_ns() - cpu) / 1000)
        return {"wall": walls, "cpu": cpus, **counts}

    def save(self, argument: list[int]) -> dict[str, float]:
        """Let threads set keys of one session, each its own, and before that only read them.

        Return ms a request of both, and how many keys survived.
        """
        threads, requests = argument
        found: dict[str, float] = {"written": threads * requests}
        for view in ("read", "write"):
            key = _new_session_key()
            wall, cpu, refused = self._crowd(view, key, threads, requests)
            found |= {f"{view}_ms": wall, f"{view}_cpu_ms": cpu, "refused": refused}
        return {**found, "survive": _survivors(key)}

    def _crowd(self, view: str, key: str, threads: int, requests: int) -> tuple[float, float, int]:
        from django.db import connections

        cookie = {"HTTP_COOKIE": f"sessionid={key}"}
        barrier = threading.Barrier(threads + 1)
        failures: list[str] = []

        def work(thread: int) -> None:
            self.get(environ("/read/x/", cookie))  # connects
            barrier.wait()
            for number in range(requests):
                status, _ = self.get(environ(f"/{view}/k{thread}x{number}/", cookie))
                if not status.startswith("200"):
                    failures.append(status)
            barrier.wait()
            connections.close_all()

        workers = [threading.Thread(target=work, args=[number]) for number in range(threads)]
        for one in workers:
            one.start()
        barrier.wait()
        start, cpu = time.perf_counter(), time.process_time()
        barrier.wait()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        for one in workers:
            one.join()
        each = 1000 / (threads * requests)
        return wall * each, cpu * each, len(failures)

    def purge(self, rows: int) -> dict[str, float]:
        """Fill the table with expired and live sessions, half and half; time ``clearsessions``."""
        from django.core.management import call_command

        from benchmarks import large

        engine = self.configuration.settings["SESSION_ENGINE"]
        before = large.count(engine)
        large.fill(engine, rows)
        start, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            call_command("clearsessions")
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        left = large.count(engine) - before
        large.empty(engine)
        return {"rows": rows, "left": left, "seconds": wall, "cpu_seconds": cpu}


@contextlib.contextmanager
def sent() -> Iterator[list[Any]]:
    """Note what is sent to a Valkey or Redis, each time that something is."""
    found: list[Any] = []
    try:
        from redis.connection import AbstractConnection
    except ImportError:
        yield found
        return
    real: Any = AbstractConnection.send_packed_command

    def send(self: Any, command: Any, *args: Any, **options: Any) -> Any:
        found.append(command)
        return real(self, command, *args, **options)

    AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
    try:
        yield found
    finally:
        AbstractConnection.send_packed_command = real  # type: ignore[method-assign]


def environ(path: str, more: dict[str, str]) -> dict[str, Any]:
    """Return what a WSGI server hands over for a GET of ``path``."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "benchmark/1.0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **more,
    }


def _statements(captured: list[str]) -> dict[str, int]:
    """Count statements and commits: each transaction, and each write outside of one."""
    marks = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    queries = commits = 0
    inside = False
    for sql in captured:
        if not sql.startswith(marks):
            queries += 1
            commits += not inside and not sql.startswith("SELECT")
        elif sql.startswith(("BEGIN", "COMMIT", "ROLLBACK")) and not sql.startswith("ROLLBACK TO"):
            inside = sql.startswith("BEGIN")
            commits += sql.startswith("COMMIT")
    return {"queries": queries, "commits": commits}


def _new_session_key() -> str:
    from benchmarks import credentials

    return str(credentials.new_session().session_key)


def _survivors(key: str) -> int:
    from importlib import import_module

    from django.conf import settings

    stored = import_module(settings.SESSION_ENGINE).SessionStore(key).load()
    return sum(name.startswith("k") for name in stored)


def prepare(_: object = None) -> None:
    """Make the schema, the user, and enough other rows that indexes matter."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.hashers import make_password
    from django.contrib.sessions.backends.db import SessionStore as StockStore
    from django.core.management import call_command

    from benchmarks.site.views import PASSWORD, PEOPLE
    from sessionkeeper.engine.session_store import SessionStore as OurStore

    call_command("migrate", verbosity=0, interactive=False)
    model = get_user_model()
    model.objects.create_user("alice", "alice@example.com", PASSWORD, first_name="Alice")
    password = make_password(PASSWORD)
    people = [model(username=f"user{number}", password=password) for number in range(PEOPLE)]
    model.objects.bulk_create(people)
    for store in (StockStore, OurStore):
        for number in range(500):
            one = store()
            one["number"] = number
            one.save()


def main() -> None:
    """Answer the driver until it closes the pipe."""
    cpu = os.environ.get("BENCH_CPU")
    if cpu and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu)})
    django.setup()
    if sys.argv[1:] == ["prepare"]:
        prepare()
        return
    site = Site(os.environ["BENCH_CONFIGURATION"])
    for line in sys.stdin:
        command, argument = json.loads(line)
        print(json.dumps(getattr(site, command)(argument)), flush=True)


if __name__ == "__main__":
    main()
