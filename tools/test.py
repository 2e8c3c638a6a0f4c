"""Run the suite in stages against the built wheel, and end with one line that counts everything."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tools import postgres, tally, upstream, valkey, wheel
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


UPSTREAM = "tests/upstream"
#: Tests of requests that reach no store, or the demo's own.
WITHOUT_STORE = ("--ignore-glob=*/test_demo*.py", "--ignore-glob=*/test_body_fuzz.py")
#: Tests of single modules that go through the store that the settings name.
REQUESTS = tuple(
    f"tests/unit/test_{name}.py"
    for name in (
        "bearer",
        "binding",
        "concurrency",
        "engine",
        "limits",
        "middleware",
        "renewal",
        "require_authentication",
        "several_cookies",
    )
)
STAGES = (
    Stage("sqlite", "the suite on SQLite", "tests", ("tests",)),
    Stage("postgres", "the suite on PostgreSQL", "tests", ("tests",), on_postgres=True),
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
    Stage("faults", "stores that break under the site", "tests/faults", ("tests/faults",)),
    Stage(
        "thirdparty",
        "other people's packages on the engine",
        "tests/thirdparty",
        ("tests/thirdparty",),
        settings="tests.thirdparty.settings",
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
)


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
    if stage.with_upstream:
        env["DJANGO_UPSTREAM_TESTS"] = str(upstream.tests_folder())
    return env


def run_stage(stage: Stage, env: dict[str, str], extra: list[str]) -> tally.Tally:
    """Run pytest for one stage and read what it counted."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", *stage.arguments, f"--junitxml={report}"]
        command += ["-o", f"cache_dir=.cache/pytest/{stage.name}", *extra]
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        if code == NO_TESTS and extra:
            code = 0  # a selection may leave a stage empty
        return tally.read_report(report, code)


def run_all(
    stages: list[Stage], base: dict[str, str], extra: list[str]
) -> list[tuple[str, tally.Tally | str]]:
    """Run the stages one after the other; a stage that cannot run is a sentence instead of a tally."""
    results: list[tuple[str, tally.Tally | str]] = []
    with contextlib.ExitStack() as stack:
        servers = Servers(stack)
        for stage in stages:
            print(f"\n=== {stage.name}: {stage.says}", flush=True)
            try:
                results.append((stage.name, run_stage(stage, stage_environment(stage, base, servers), extra)))
            except (postgres.Unavailable, valkey.Unavailable, upstream.Unavailable) as error:
                print(f"NOT RUN. {error}", flush=True)
                results.append((stage.name, str(error)))
    return results


def summarise(results: list[tuple[str, tally.Tally | str]]) -> int:
    """Print the table and the closing line; the exit code."""
    total = tally.Tally()
    print("\n=== summary")
    for name, outcome in results:
        if isinstance(outcome, tally.Tally):
            total += outcome
            print(f"{name:<18} {outcome}")
        else:
            print(f"{name:<18} NOT RUN. {outcome}")
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
        results = run_all(stages, env, extra)
    return summarise(results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
