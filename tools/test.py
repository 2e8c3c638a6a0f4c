"""Run the suite in stages against the built wheel, two at a time; the last line counts everything."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from tools import inventory, postgres, tally, upstream, valkey, wheel
from tools.environment import ROOT

NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True)
class Stage:
    """One pytest run: what, with which settings, on which database."""

    name: str
    says: str
    needs: str  # the stage is left out while this path does not exist
    arguments: tuple[str, ...]
    settings: str = "tests.settings"
    on_postgres: bool = False
    on_valkey: bool = False
    with_upstream: bool = False
    makes_databases: bool = False  # of its own: it is in nobody's way

    @property
    def shares(self) -> set[str]:
        """The servers on which it would be in the way of another stage."""
        return {name for name, used in (("postgres", self.on_postgres), ("valkey", self.on_valkey)) if used}


UPSTREAM = "tests/upstream/test_django.py"
SUITES = "tests/upstream/suites"
#: Tests of requests that reach no store, or the demo's own.
WITHOUT_STORE = ("--ignore=tests/http/demo", "--ignore=tests/unit/api/test_parsers.py")
#: Tests of modules that go through the store that the settings name.
REQUESTS = tuple(
    f"tests/unit/{name}"
    for name in (
        "api",
        "pages",
        "auth/test_decorators.py",
        "auth/test_flows.py",
        "auth/test_mfa.py",
        "auth/test_passwords.py",
        "auth/test_reauthentication.py",
        "auth/test_tokens.py",
        "csrf/test_middleware.py",
        "csrf/test_problems.py",
        "engine/test_active_session.py",
        "engine/test_adoption.py",
        "engine/test_bearer.py",
        "engine/test_client_binding.py",
        "engine/test_exceptions.py",
        "engine/test_key_followers.py",
        "engine/test_limits.py",
        "engine/test_lookup.py",
        "engine/test_registry.py",
        "engine/test_renewal.py",
        "engine/test_session_data.py",
        "engine/test_session_store.py",
        "middleware/test_authentication.py",
        "middleware/test_commit.py",
        "middleware/test_responses.py",
        "middleware/test_session.py",
        "test_problem_index.py",
    )
)
#: Stores in a Cluster or behind Sentinel ask the database what one at a single server asks: once is enough.
SINGLE_SERVERS = "not cluster and not sentinel"
STAGES = (
    Stage("sqlite", "the suite on SQLite", "tests", ("tests",)),
    Stage(
        "postgres",
        "the suite on PostgreSQL, but for what has its own database or none",
        "tests",
        (
            "tests",
            *(f"--ignore=tests/{name}" for name in ("docs", "tooling", "client")),
            "-k",
            SINGLE_SERVERS,
        ),
        on_postgres=True,
    ),
    Stage(
        "redis",
        "requests, attacks and races with the sessions in Valkey",
        "tests",
        ("tests/http", "tests/attacks", "tests/races/test_processes.py", *REQUESTS, *WITHOUT_STORE),
        settings="tests.settings_redis",
        on_valkey=True,
    ),
    Stage("browser", "the demo in a real Chromium", "tests/browser", ("tests/browser",)),
    Stage("callers", "the demo as programs call it", "tests/callers", ("tests/callers",)),
    Stage(
        "production",
        "a new project as people deploy it, on SQLite, PostgreSQL and MariaDB",
        "tests/production",
        ("tests/production",),
        makes_databases=True,
    ),
    Stage("faults", "stores that break under the site", "tests/faults", ("tests/faults",)),
    Stage(
        "thirdparty",
        "other people's packages on the engine",
        "tests/thirdparty",
        ("tests/thirdparty",),
        settings="tests.thirdparty.settings",
    ),
    *(
        Stage(
            f"tenants-{layout}",
            f"django-tenants, with users and sessions {where}",
            "tests/tenants",
            ("tests/tenants",),
            settings=f"tests.tenants.settings_{layout}",
            on_postgres=True,
            on_valkey=True,
        )
        for layout, where in (
            ("own", "for each tenant"),
            ("shared", "shared by all"),
            ("mixed", "for each tenant, in one table"),
        )
    ),
    Stage(
        "uuid-user",
        "a custom user model with UUID keys",
        "tests/settings_uuid_user.py",
        ("tests", "-m", "any_user"),
        settings="tests.settings_uuid_user",
    ),
    Stage(
        "upstream-sqlite",
        "Django's own session tests on SQLite",
        UPSTREAM,
        (UPSTREAM,),
        settings="tests.upstream.settings",
        with_upstream=True,
    ),
    Stage(
        "upstream-postgres",
        "Django's own session tests on PostgreSQL",
        UPSTREAM,
        (UPSTREAM,),
        settings="tests.upstream.settings",
        on_postgres=True,
        with_upstream=True,
    ),
    Stage(
        "upstream-redis",
        "Django's own session tests on Valkey",
        UPSTREAM,
        (UPSTREAM,),
        settings="tests.upstream.settings_redis",
        on_valkey=True,
        with_upstream=True,
    ),
    Stage("django-suites", "Django's own suites with us installed", SUITES, (SUITES,), with_upstream=True),
    Stage(
        "django-suites-postgres",
        "Django's own suites with us installed, on PostgreSQL",
        SUITES,
        (SUITES,),
        on_postgres=True,
        with_upstream=True,
    ),
)
STAGE_NAMES = [stage.name for stage in STAGES]


class Servers:
    """The servers that stages need, each started when the first of them comes, stopped with the run."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    @cached_property
    def postgres(self) -> str:
        """The URL of a PostgreSQL."""
        return self._stack.enter_context(postgres.server())

    @cached_property
    def valkey(self) -> str:
        """The URL of a Valkey or Redis."""
        return self._stack.enter_context(valkey.server())


def stage_environment(stage: Stage, base: dict[str, str], servers: Servers) -> dict[str, str]:
    """The environment variables of one stage."""
    env = {key: value for key, value in base.items() if key != "DATABASE_URL"}
    env["DJANGO_SETTINGS_MODULE"] = stage.settings
    if stage.on_postgres:
        env["DATABASE_URL"] = servers.postgres
    if stage.on_valkey:
        env[valkey.VARIABLE] = servers.valkey
    if stage.makes_databases and postgres.is_postgres(base.get("DATABASE_URL", "")):
        env[postgres.VARIABLE] = base["DATABASE_URL"]
    if stage.with_upstream:
        env["DJANGO_UPSTREAM_TESTS"] = str(upstream.tests_folder())
    return env


def run_stage(stage: Stage, env: dict[str, str], extra: list[str], output: IO[str] | None) -> tally.Tally:
    """Run pytest for one stage and read what it counted. ``output`` None: on screen as it comes."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", *stage.arguments, f"--junitxml={report}"]
        command += ["-o", f"cache_dir=.cache/pytest/{stage.name}", *extra]
        code = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            check=False,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        ).returncode
        if code == NO_TESTS and extra:
            code = 0  # a selection may leave a stage empty
        return tally.read_report(report, code)


class Run:
    """Runs stages, as many side by side as there are ``jobs``; never two that share a server."""

    def __init__(self, stages: list[Stage], base: dict[str, str], extra: list[str], jobs: int) -> None:
        self._waiting, self._base, self._extra = list(stages), base, extra
        self._jobs = max(1, min(jobs, len(stages)))
        self._busy: set[str] = set()
        self._turn = threading.Condition()
        self._servers: Servers
        self.results: dict[str, tally.Tally | str] = {}

    def all(self) -> None:
        """Run them; what they print comes stage by stage."""
        with contextlib.ExitStack() as stack:
            self._servers = Servers(stack)
            with ThreadPoolExecutor(self._jobs) as pool:
                for worker in [pool.submit(self._work) for _ in range(self._jobs)]:
                    worker.result()

    def _work(self) -> None:
        while (stage := self._next()) is not None:
            with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
                try:
                    outcome = self._outcome(stage, file if self._jobs > 1 else None)
                finally:
                    with self._turn:
                        self._busy -= stage.shares
                        self._turn.notify_all()
                file.seek(0)
                said = file.read() or (f"NOT RUN. {outcome}" if isinstance(outcome, str) else "")
            with self._turn:
                print(f"\n=== {stage.name}: {stage.says}\n{said}", flush=True)
                self.results[stage.name] = outcome

    def _next(self) -> Stage | None:
        with self._turn:
            while self._waiting:
                for stage in self._waiting:
                    if not stage.shares & self._busy:
                        self._waiting.remove(stage)
                        self._busy |= stage.shares
                        return stage
                self._turn.wait()
            return None

    def _outcome(self, stage: Stage, output: IO[str] | None) -> tally.Tally | str:
        """What a stage counted; a sentence if it cannot run."""
        try:
            with self._turn:  # servers are started one after the other
                env = stage_environment(stage, self._base, self._servers)
            return run_stage(stage, env, self._extra, output)
        except (postgres.Unavailable, valkey.Unavailable, upstream.Unavailable) as error:
            return str(error)


def summarise(results: dict[str, tally.Tally | str]) -> int:
    """Print the table and the closing line; the exit code."""
    total = tally.Tally()
    print("\n=== summary")
    for name, outcome in sorted(results.items(), key=lambda result: STAGE_NAMES.index(result[0])):
        if isinstance(outcome, tally.Tally):
            total += outcome
            print(f"{name:<22} {outcome}")
        else:
            print(f"{name:<22} NOT RUN. {outcome}")
            if os.environ.get("CI"):
                total += tally.Tally(failed=1)
    if not total.passed and not total.failed:
        print("No test was run.")
        total += tally.Tally(failed=1)
    tally.record(total)
    print(total, flush=True)
    return 1 if total.failed else 0


def parse_arguments() -> tuple[list[Stage], bool, list[str]]:
    """Which stages, whether the wheel is installed already, and what else pytest is told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installed", action="store_true", help="the wheel is in this environment already")
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(stage.name for stage in STAGES)}")
    options = parser.parse_args()
    names = options.stages or os.environ.get("STAGES", "").split()
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    stages = [
        stage for stage in STAGES if (not names or stage.name in names) and (ROOT / stage.needs).exists()
    ]
    return stages, options.installed, shlex.split(os.environ.get("ARGS", ""))


def main() -> int:
    """Build, run, count."""
    stages, is_installed, extra = parse_arguments()
    postgres.stop_on_terminate()
    with contextlib.ExitStack() as stack:
        env = dict(os.environ)
        if not is_installed:
            env["PYTHONPATH"] = str(stack.enter_context(wheel.installed()))
        wheel.require_outside_source(env)
        print("=== servers", *inventory.lines(), sep="\n", flush=True)
        run = Run(stages, env, extra, jobs=int(os.environ.get("JOBS") or min(os.cpu_count() or 1, 2)))
        run.all()
    return summarise(run.results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
